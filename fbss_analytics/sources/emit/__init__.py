"""Writing a source as an extract of another kind: our tables as CSV, OMOP, REDCap, claims."""
