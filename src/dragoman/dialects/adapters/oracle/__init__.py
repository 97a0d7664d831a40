"""Oracle: the thin driver behind a tunnel of ours, in read-only transactions."""
