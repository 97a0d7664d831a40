"""What can go wrong in the vault. No text here ever holds a part of a secret or of a key."""

from __future__ import annotations


class VaultError(Exception):
    """The base of the family: `message` says what is wrong, `fix` what to do (may be empty)."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} Fix: {self.fix}" if self.fix else self.message


class KeyRingError(VaultError):
    """The keys cannot be read, are unsafe to use, or may not be changed in the way asked for."""


class UnknownKey(VaultError):
    """A sealed value names a key that the ring does not hold."""


class WrongContext(VaultError):
    """A sealed value is intact but was sealed for another row, property or destination."""


class Damaged(VaultError):
    """A sealed value is not what the vault wrote: cut, changed, or not sealed at all."""
