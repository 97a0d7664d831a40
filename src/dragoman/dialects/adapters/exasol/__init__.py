"""Exasol by its WebSocket protocol: pyexasol signs in, our socket carries, columns become Arrow."""
