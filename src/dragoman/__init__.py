"""Dragoman: an open analytics server that speaks the Omni REST API."""

__version__ = "0.1.0"
