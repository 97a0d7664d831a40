"""Why a question cannot be compiled."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum

from dragoman.dialects.sql.functions import NotExpressible


class ErrorType(StrEnum):
    """The contract's names (modeling reference 3.7)."""

    PLAN = "PLAN"
    FORBIDDEN = "FORBIDDEN"
    KEY_REQUIRED = "PLAN_PK_REQUIRED_DUE_TO_JOIN_FANOUT"
    SORT_REQUIRED = "PLAN_CALC_REQUIRES_SORT"


class PlanError(Exception):
    """The message names what is wrong in a person's words; `fix` says what to do about it."""

    def __init__(
        self, message: str, *, fix: str = "", error_type: ErrorType = ErrorType.PLAN
    ) -> None:
        super().__init__(f"{message} {fix}".strip())
        self.message = message
        self.fix = fix
        self.error_type = error_type


class NoSuchTopic(PlanError):
    """The topic is not there, or not for this asker: nothing tells the two apart."""


@contextmanager
def expressible() -> Generator[None]:
    """Raises `PlanError` for what the database has no way to say."""
    try:
        yield
    except NotExpressible as problem:
        raise PlanError(f"This database has no way to say it: {problem}.") from None
