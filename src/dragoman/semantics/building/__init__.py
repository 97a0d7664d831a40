"""Definitions to the typed model."""
