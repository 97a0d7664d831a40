"""Connections: created, listed, changed, tested, deleted and restored; and their environments."""
