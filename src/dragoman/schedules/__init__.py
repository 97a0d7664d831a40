"""Schedules that refresh the schema of a connection."""
