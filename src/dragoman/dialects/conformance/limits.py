"""Checks of what ends a statement: its time limit, a cancel, a connection that is lost."""

from __future__ import annotations

import threading
import time

from dragoman.dialects.base import Session
from dragoman.dialects.conformance.subject import Subject, Unmet, until, values
from dragoman.dialects.failures import Cause, DatabaseFailure

LIMIT_SECONDS = 1.0
LATE_SECONDS = 1.0
# How long a statement has run, at least, before it is broken off.
UNDER_WAY_SECONDS = 0.5
_CANCEL_SECONDS = 10.0
# How long a statement may hang on a connection that is gone.
_HANG_SECONDS = 30.0


def time_limit(subject: Subject) -> str:
    """The time limit stops a statement within a second, and the session is good after it."""
    sql, _ = subject.slow()
    with subject.session(timeout_seconds=LIMIT_SECONDS) as session:
        started = time.monotonic()
        _must_end(session, sql, Cause.QUERY_TIMEOUT)
        late = time.monotonic() - started - LIMIT_SECONDS
        if not -0.1 < late < LATE_SECONDS:
            raise Unmet(f"It ended {late:+.2f} s off its limit.")
        subject.must_answer(session)
    return f"{late:.2f} s after a limit of {LIMIT_SECONDS:g} s."


def cancel(subject: Subject) -> str:
    """A cancel from another thread ends the statement in the server and keeps the session."""
    sql, mark = subject.slow()
    shown: list[bool | None] = []
    asked: list[float] = []
    with subject.session() as session:

        def soon() -> None:
            time.sleep(UNDER_WAY_SECONDS)
            until(lambda: _note(shown, subject.shows(mark)) is not False)
            asked.append(time.monotonic())
            session.cancel()

        canceller = threading.Thread(target=soon)
        canceller.start()
        _must_end(session, sql, Cause.CANCELLED)
        canceller.join()
        seconds = time.monotonic() - asked[0]
        if seconds > _CANCEL_SECONDS:
            raise Unmet(f"It ended {seconds:.1f} s after the cancel.")
        session.cancel()  # nothing runs: harmless
        subject.must_answer(session)
    return f"Ended after {max(seconds, 0):.2f} s; {_seen(subject, mark, shown)}"


def _note(shown: list[bool | None], seen: bool | None) -> bool | None:
    shown.append(seen)
    return seen


def _seen(subject: Subject, mark: str, shown: list[bool | None]) -> str:
    if shown[-1] is None:
        return "the server does not show its statements to this user."
    if not shown[-1]:
        raise Unmet("The server never showed the statement.")
    if not until(lambda: subject.shows(mark) is False):
        raise Unmet("The server works on it still.")
    return "the server showed it before and not after."


def cancel_between_batches(subject: Subject) -> str:
    """A cancel between two batches ends the answer."""
    with subject.session() as session:
        answer = session.run(f"SELECT n FROM {subject.spelling.sequence(5_000_000)}")
        next(answer.batches)
        session.cancel()
        try:
            rest = sum(batch.num_rows for batch in answer.batches)
        except DatabaseFailure as failure:
            if failure.cause is not Cause.CANCELLED:
                raise
        else:
            raise Unmet(f"{rest:,} more rows came.")
        subject.must_answer(session)
    return "Ended, and the session is good."


def dropped_while_running(subject: Subject) -> str:
    """A connection that is lost under a statement is an error and not a hang."""
    sql, mark = subject.slow()
    cut_at: list[float] = []
    with (
        subject.severable(for_good=True) as (severable, cut),
        severable.session() as session,
    ):

        def soon() -> None:
            time.sleep(UNDER_WAY_SECONDS)
            until(lambda: subject.shows(mark) is not False)
            cut_at.append(time.monotonic())
            cut()

        # What a session opens at its first statement is there then.
        subject.must_answer(session)
        cutter = threading.Thread(target=soon)
        cutter.start()
        try:
            _must_end(session, sql, Cause.CONNECTION_LOST)
        finally:
            cutter.join()
        seconds = time.monotonic() - cut_at[0]
        if seconds > _HANG_SECONDS:
            raise Unmet(f"It hung for {seconds:.0f} s.")
        if not session.broken:
            raise Unmet("The session takes itself for good.")
    return f"An error after {max(seconds, 0):.2f} s."


def dropped_between(subject: Subject) -> str:
    """A connection that is lost between two statements is an error of the second."""
    with subject.severable() as (severable, cut), severable.session() as session:
        subject.must_answer(session)
        cut()
        _must_end(session, subject.one(), Cause.CONNECTION_LOST)
        if not session.broken:
            raise Unmet("The session takes itself for good.")
    return "An error, and the session knows that it is broken."


def dialled_anew(subject: Subject) -> str:
    """Without a lasting connection the next statement finds a new one."""
    with subject.severable() as (severable, cut), severable.session() as session:
        subject.must_answer(session)
        cut()
        subject.must_answer(session)
    return "The next statement was answered over a new connection."


def _must_end(session: Session, sql: str, cause: Cause) -> None:
    try:
        found = values(session, sql)
    except DatabaseFailure as failure:
        if failure.cause is not cause:
            raise Unmet(f"It gave {failure.cause.value}: {failure.message}") from None
    else:
        raise Unmet(f"It was answered: {found[:1]}")
