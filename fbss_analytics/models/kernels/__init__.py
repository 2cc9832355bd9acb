"""Numerical kernels: arrays in, arrays out; they know no cohort, no column names and no words."""
