"""What each database holds: read, kept a row a table, compared, browsed; the SCHEMA layer."""
