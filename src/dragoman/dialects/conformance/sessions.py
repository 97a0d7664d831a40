"""Checks of what a session may do and in which time zone it thinks."""

from __future__ import annotations

import secrets

from dragoman.dialects.base import Session
from dragoman.dialects.conformance.subject import Subject, Unasked, Unmet, first_value, values
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

# No summer time there: the offset is the same all year, +05:30. The instant's hour there is 18.
_ZONE, _HOUR = "Asia/Kolkata", 18
_TABLE = "dragoman_conformance"
GUARDED = (
    f"INSERT INTO {_TABLE} VALUES (2)",
    f"UPDATE {_TABLE} SET a = 2",
    f"DELETE FROM {_TABLE}",
    f"DROP TABLE {_TABLE}",
    f"CREATE TABLE {_TABLE} (a int)",
    f"SELECT 1; DELETE FROM {_TABLE}",
    f"SELECT * INTO {_TABLE} FROM {_TABLE}",
    "BEGIN",
    "COMMIT",
    "",
)


def guard(subject: Subject) -> str:
    """What may write is refused before it is sent."""
    with subject.session() as session:
        for sql in GUARDED:
            try:
                values(session, sql)
            except DatabaseFailure as failure:
                refused = failure.cause in {Cause.READ_ONLY, Cause.SYNTAX_ERROR}
                if not refused or failure.stage is not Stage.QUERY or failure.code:
                    raise Unmet(f"{sql}: {failure.message}") from None
            else:
                raise Unmet(f"{sql} was run.")
        subject.must_answer(session)
    return f"{len(GUARDED)} statements."


def read_only(subject: Subject) -> str:
    """The database itself refuses what would write, the guard taken away."""
    statements = (_creating(subject), *subject.refused)
    for sql in statements:
        with subject.session(guarded=False) as session:
            try:
                values(session, sql)
            except DatabaseFailure as failure:
                if failure.cause is not Cause.READ_ONLY:
                    raise Unmet(f"{sql} gave {failure.cause.value}: {failure.message}") from None
            else:
                raise Unmet(f"{sql} was run: look for a table {_TABLE}… to drop.")
            subject.must_answer(session)
    return f"{len(statements)} statements."


def rolled_back(subject: Subject) -> str:
    """Where the database does not refuse, what was written is gone after the statement."""
    sql = _creating(subject)
    name = sql.split()[2]
    with subject.session(guarded=False) as session:
        refused = _refusal(session, sql)
        if refused is not None:
            raise Unmet(f"The database refuses by itself: {refused.message}")
    with subject.session() as session:
        try:
            values(session, f"SELECT a FROM {name}")
        except DatabaseFailure as failure:
            if failure.cause is not Cause.OBJECT_NOT_FOUND:
                raise
        else:
            raise Unmet(f"The table {name} is there: drop it.")
    return "A table that was made is not there afterwards."


def not_refused(subject: Subject) -> str:
    """The database refuses nothing: only the guard and the user's rights hold."""
    sql = _creating(subject)
    with subject.session(guarded=False) as session:
        failure = _refusal(session, sql)
        if failure is None:
            values(session, f"DROP TABLE {sql.split()[2]}")
    return "The guard and the user's rights are all there is."


def _refusal(session: Session, sql: str) -> DatabaseFailure | None:
    """The failure where the database calls it read-only; None where it ran."""
    try:
        values(session, sql)
    except DatabaseFailure as failure:
        if failure.cause is Cause.READ_ONLY:
            raise Unmet(f"The database refuses by itself: {failure.message}") from None
        return failure
    return None


def _creating(subject: Subject) -> str:
    if subject.schema is None:
        raise Unasked("It tries to write: name a schema for that (--write SCHEMA).")
    schema = subject.dialect.quote(subject.schema)
    return f"CREATE TABLE {schema}.{_TABLE}_{secrets.token_hex(4)} (a INT)"


def time_zone(subject: Subject) -> str:
    """Hours are those of the time zone that was asked for."""
    if not subject.spelling.hour:
        raise Unmet("There is no way to ask for the hour.")
    with subject.session(timezone=_ZONE) as session:
        hour = int(
            first_value(session, f"SELECT {subject.spelling.hour} AS h{subject.spelling.end}")
        )
        notices = " ".join(session.notices)
    if hour != _HOUR:
        raise Unmet(f"The hour in {_ZONE} is {hour} and not {_HOUR}. {notices}".strip())
    return f"Right in {_ZONE}. {notices}".strip()


def no_time_zone(subject: Subject) -> str:
    """A session that cannot think in a time zone says so."""
    with subject.session(timezone=_ZONE) as session:
        answer = session.run(subject.one())
        list(answer.batches)
        said = " ".join([*session.notices, *answer.notices])
    if not said:
        raise Unmet("The session does not say that it keeps to UTC.")
    return said
