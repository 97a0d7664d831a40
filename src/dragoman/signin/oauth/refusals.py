"""Why an application gets no token, in the words of OAuth (RFC 6749, sections 4.1.2.1 and 5.2)."""

from __future__ import annotations

from typing import Any

from dragoman.api.errors import BadRequest


class Refused(BadRequest):
    """A refusal that an application reads. `word`: an error code of RFC 6749."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.word = word

    def body(self) -> dict[str, Any]:
        """The body of every error, with what RFC 6749 asks for."""
        return {**super().body(), "error": self.word, "error_description": self.message}
