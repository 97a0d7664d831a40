"""Checks of answers: what arrives, in how many pieces, and what is said of a wrong statement."""

from __future__ import annotations

import time
from pathlib import Path

from dragoman.dialects.catalog import CatalogFilter
from dragoman.dialects.conformance.subject import Subject, Unasked, Unmet, first_value, values
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

ROWS = 200_000
MANY_ROWS = 1_000_000
MEMORY_BYTES = 40_000_000
_TEXT = "aü€😀'\""
_SECONDS = 5.0
# Some services hand rows out by the thousand.
_LONG_SECONDS = 300.0


def diagnosis(subject: Subject) -> str:
    """Every stage of the diagnosis passes."""
    found = diagnose(subject.dialect, subject.target, subject.network, subject.options())
    if found.failed:
        raise Unmet(f"{found.failed.stage.value}: {found.failed.message}")
    return " ".join(stage.message for stage in found.stages[-3:])


def catalog(subject: Subject) -> str:
    """Tables come in order with their columns, and of the schemas asked for only."""
    with subject.session() as session:
        schemas = session.schemas()
        tables = list(session.catalog(CatalogFilter.of(subject.target.settings)))
        names = [(table.catalog, table.schema, table.name) for table in tables]
        if len(set(names)) != len(names):
            raise Unmet("The catalog names a table twice.")
        for table in tables:
            positions = [column.position for column in table.columns]
            if not positions or positions != sorted(set(positions)):
                raise Unmet(f"A table's columns are numbered {positions}.")
        if names:
            _only(subject, names[0][1])
        if session.readable_tables([]) and not tables and not subject.target.text("includeSchemas"):
            raise Unmet("Tables can be read, and the catalog has none.")
        keys = sum(len(table.foreign_keys) for table in tables)
        with_key = sum(bool(table.primary_key) for table in tables)
        return (
            f"{len(schemas)} schemas, {len(tables)} tables, {with_key} primary keys,"
            f" {keys} foreign keys."
        )


def _only(subject: Subject, schema: str) -> None:
    quoted = '"' + schema.replace('"', '""') + '"'
    wanted = CatalogFilter.of({**subject.target.settings, "includeSchemas": quoted})
    with subject.session() as session:
        found = {table.schema for table in session.catalog(wanted)}
    if found != {schema}:
        raise Unmet(f"Asked for one schema, the catalog gave {len(found)}.")


def text(subject: Subject) -> str:
    """Text of all alphabets, and null, arrive as they are."""
    with subject.session() as session:
        sql = f"SELECT {subject.spelling.quoted} AS t, NULL AS n{subject.spelling.end}"
        found = values(session, sql)
        if found != [[_TEXT, None]]:
            raise Unmet(f"{found} arrived.")
        none = f"SELECT n FROM {subject.spelling.sequence(10)} WHERE n < -5"
        if found := values(session, none):
            raise Unmet(f"An answer without rows has {len(found)}.")
    return "Two-, three- and four-byte characters, quotes, null."


def streaming(subject: Subject) -> str:
    """200,000 rows come in several batches."""
    with subject.session() as session:
        sql = f"SELECT n, 'some text of a row' AS t FROM {subject.spelling.sequence(ROWS)}"
        answer = session.run(sql)
        sizes = [batch.num_rows for batch in answer.batches]
    if sum(sizes) != ROWS:
        raise Unmet(f"{sum(sizes):,} rows arrived of {ROWS:,}.")
    if len(sizes) < 3:
        raise Unmet(f"They came in {len(sizes)} batches.")
    return f"{len(sizes)} batches."


def early_close(subject: Subject) -> str:
    """An answer that is given up early leaves the session good, soon."""
    with subject.session() as session:
        answer = session.run(f"SELECT n FROM {subject.spelling.sequence(3 * MANY_ROWS)}")
        next(answer.batches)
        started = time.monotonic()
        answer.close()
        subject.must_answer(session)
        seconds = time.monotonic() - started
        if seconds > _SECONDS:
            raise Unmet(f"It took {seconds:.1f} s.")
        if list(answer.batches):
            raise Unmet("Batches came after the close.")
        # An answer that nobody read to its end does not block the next one either.
        next(session.run(f"SELECT n FROM {subject.spelling.sequence(MANY_ROWS)}").batches)
        session.reset()
        session.ping()
    return f"Good again after {seconds:.2f} s."


def memory(subject: Subject) -> str:
    """A million rows of 100 bytes pass through 40 MB at most."""
    before = _resident()
    with subject.session(timeout_seconds=_LONG_SECONDS) as session:
        first_value(session, subject.one())
        padding = "0123456789" * 10
        sql = f"SELECT n, '{padding}' AS t FROM {subject.spelling.sequence(MANY_ROWS)}"
        answer = session.run(sql)
        count = next(answer.batches).num_rows
        before = highest = _resident()
        for batch in answer.batches:
            count += batch.num_rows
            highest = max(highest, _resident())
    if count != MANY_ROWS:
        raise Unmet(f"{count:,} rows arrived of {MANY_ROWS:,}.")
    if highest - before > MEMORY_BYTES:
        raise Unmet(f"This process grew by {(highest - before) / 1e6:.0f} MB.")
    return f"{(highest - before) / 1e6:.0f} MB after the first batch."


def errors(subject: Subject) -> str:
    """Wrong statements have a cause."""
    rows = subject.spelling.sequence(10)
    _refused(subject, "SELECT FROM WHERE", Cause.SYNTAX_ERROR)
    _refused(subject, f"SELECT no_such_column FROM {rows}", Cause.OBJECT_NOT_FOUND)
    _refused(subject, "SELECT a FROM no_such_table_anywhere", Cause.OBJECT_NOT_FOUND)
    return "Syntax, an unknown column, an unknown table."


def _refused(subject: Subject, sql: str, cause: Cause) -> None:
    with subject.session() as session:
        try:
            values(session, sql)
        except DatabaseFailure as failure:
            if (failure.stage, failure.cause) != (Stage.QUERY, cause):
                raise Unmet(f"{sql} gave {failure.cause.value}: {failure.message}") from None
        else:
            raise Unmet(f"{sql} gave an answer.")


def _resident() -> int:
    """The memory of this process, in bytes."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except OSError:
        raise Unasked("This system does not tell the memory of a process.") from None
    return int(pages) * 4096
