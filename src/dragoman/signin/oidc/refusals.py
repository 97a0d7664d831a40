"""Why a sign-in through a provider came to nothing: a word for the page, a sentence for admins."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What the page `/signin` has a text for. Nothing of it tells what an account holds."""

    UNKNOWN = "unknown_provider"
    UNREACHABLE = "provider_unreachable"
    STALE = "begin_anew"
    DENIED = "denied"
    PROVIDER = "provider_refused"
    INVALID = "answer_invalid"
    NO_EMAIL = "no_email"
    NOT_VERIFIED = "email_not_verified"
    DOMAIN = "domain"
    NOBODY = "no_account"
    SUSPENDED = "suspended"
    OTHER_IDENTITY = "other_identity"
    MAPPING = "mapping"
    FACTOR = "second_factor"


# What no visitor can bring about. Everything else counts as a failure of theirs, also saying no:
# each leaves a row in the audit, of which nobody may write as many as they like.
HARMLESS = frozenset({Reason.UNREACHABLE})


class Refused(Exception):
    """Nobody is let in. `detail` is for the audit: it quotes no secret, no token, no code."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def invalid(detail: str) -> Refused:
    """The provider, or who plays it, answered something that does not hold."""
    return Refused(Reason.INVALID, detail)
