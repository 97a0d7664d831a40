"""A part of a definition that cannot be understood."""

from __future__ import annotations

from dragoman.semantics.problems import YamlPath


class BadDefinition(ValueError):
    """What is wrong, where inside the definition, and what to write instead."""

    def __init__(self, path: YamlPath, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.fix = fix

    def under(self, *above: str | int) -> BadDefinition:
        """The same, seen from further out."""
        return BadDefinition((*above, *self.path), self.message, self.fix)
