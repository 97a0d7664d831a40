"""What a job that failed says."""

from __future__ import annotations

import pytest

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.jobs.failures import stated


@pytest.mark.parametrize(
    ("message", "fix", "said"),
    [
        ('database "x" does not exist', "Check it.", 'database "x" does not exist. Check it.'),
        ("It is closed.", "Open it.", "It is closed. Open it."),
        ("It is closed", None, "It is closed"),
    ],
)
def test_reason_and_fix_are_sentences(message: str, fix: str | None, said: str) -> None:
    assert stated(DatabaseFailure(Stage.DATABASE, Cause.OTHER, message, fix)) == said


def test_other_errors_say_nothing() -> None:
    assert stated(ValueError("secret")) is None
