"""What a job that failed says to people: a sentence, never a secret, never a traceback."""

from __future__ import annotations

from dragoman.api.errors import ApiError
from dragoman.dialects.failures import DatabaseFailure
from dragoman.jobs.context import JobFailed
from dragoman.observability.logs import scrub
from dragoman.store import StoreBusy


def stated(error: Exception) -> str | None:
    """The sentence of an error that is meant for people; None for any other, whose text may
    hold anything."""
    if isinstance(error, DatabaseFailure):
        end = "" if error.message.endswith((".", "!", "?")) else "."
        return scrub(f"{error.message}{end} {error.fix}" if error.fix else error.message)
    if isinstance(error, ApiError | JobFailed):
        return scrub(str(error))
    if isinstance(error, StoreBusy):
        return "The server's own store was away for too long."
    return None
