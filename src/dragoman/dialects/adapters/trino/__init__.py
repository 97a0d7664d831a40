"""Trino over HTTP: the trino client speaks, a checked door dials, rows become Arrow here."""
