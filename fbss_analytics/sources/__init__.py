"""Where data comes from: our tables, foreign extracts and simulation all become a `Source`."""
