"""SQL by hand with `${…}` references, made into a question like any other (docs/decisions)."""
