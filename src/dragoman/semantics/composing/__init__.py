"""Layers to one model: merging, inheritance, joins."""
