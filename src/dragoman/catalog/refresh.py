"""The job that reads a database's catalog and makes it the connection's schema model."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any, Final

import structlog

from dragoman.access.policy import Permission
from dragoman.access.principal import OPERATOR
from dragoman.api.errors import ApiError, NotFound
from dragoman.catalog import impact, objects, reading, states
from dragoman.catalog.comparing import Comparison, Manner, Outcome
from dragoman.catalog.linking import Linker
from dragoman.catalog.reading import Scope
from dragoman.catalog.staging import Staging, recover
from dragoman.connections import dialling, sessions
from dragoman.connections.dialling import Destination
from dragoman.dialects.base import Session
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.semantic_objects import SemanticObject
from dragoman.jobs import Context, JobFailed
from dragoman.semantics.inference.semantic_objects import meaning
from dragoman.store import StoreBusy, UnitOfWork

log = structlog.get_logger()
READING, LINKING = "reading the catalog", "inferring relationships"
# A job can wait for a session longer than a person who asked a question.
WAIT_SECONDS: Final = 60.0
MOST_TURNS: Final = 5


def refresh(context: Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Read the catalog of a connection; returns counts of what was read and what changed.

    `arguments`: `hard_refresh` (whether what is gone is removed), `schemas` and `tables` (lists
    that narrow a soft refresh). What goes wrong is kept in the state of the catalog, which stays
    as it was, and fails the job.
    """
    for _ in range(MOST_TURNS):
        destination = _destination(context)
        try:
            outcome = _refresh(context, destination, arguments)
        except StoreBusy:
            raise
        except Exception as error:
            if not _is_outdated(context, destination):
                _keep_failure(context, error)
                raise
        else:
            if not _is_outdated(context, destination):
                return asdict(outcome)
        arguments = {}  # what was changed asks for a whole reading
    raise JobFailed("The connection changes faster than its catalog can be read.")


def _refresh(context: Context, destination: Destination, arguments: Mapping[str, Any]) -> Outcome:
    connection_id = destination.connection_id
    state = context.read(lambda unit: states.get(unit, connection_id))
    recover(context, connection_id, state)
    scope = reading.scope(
        destination.settings, arguments.get("schemas") or "", arguments.get("tables") or ""
    )
    fingerprint = reading.fingerprint(destination.settings)
    manner = Manner(
        removals=bool(arguments.get("hard_refresh", True)) and not scope.partial,
        relink=state.reading != fingerprint,
        told=state.refreshed_at is not None,
    )
    how = reading.conventions(destination.settings)
    staging = Staging(context, connection_id, state.generation)
    comparison = Comparison(context, staging, scope, how, manner)
    notices, found = _read(context, destination, scope, comparison)
    outcome, turnover = comparison.finish()
    topics = bool(destination.settings.get("enableDbSemanticLayerTopics"))
    meanings = [meaning(each, how, topics=topics) for each in found]
    other = 0 if scope.partial else objects.replace(context, staging, meanings)
    values = {
        "tables": outcome.tables,
        "columns": outcome.columns,
        "failure": None,
        "notices": notices or None,
        "reading": fingerprint,
        "job_id": context.job.id,
    }
    if outcome.same and not other and not turnover.fresh:
        context.write(partial(_same, connection_id=connection_id, values=values))
        return outcome
    context.progress(LINKING)
    impact.note(context, staging, connection_id, comparison.changes())
    Linker(context, staging, how, turnover, first=comparison.first).run()
    staging.flip(**values)
    staging.tidy()
    log.info("catalog", connection_id=connection_id, **asdict(outcome))
    return outcome


def _destination(context: Context) -> Destination:
    """Where the job's connection leads now."""
    try:
        return dialling.opened(context.house, context.read(partial(_located, context.job.subject)))
    except NotFound:
        raise JobFailed("The connection was deleted.") from None
    except DatabaseFailure as failure:
        _keep_failure(context, failure)
        raise


def _located(connection_id: str, unit: UnitOfWork) -> dialling.Located:
    return dialling.locate_itself(unit, OPERATOR, connection_id, Permission.CATALOG_REFRESH)


def _is_outdated(context: Context, read: Destination) -> bool:
    """Whether the connection was changed meanwhile. Whoever changed it was told that this job
    sees to it, so it begins again."""
    try:
        located = context.read(partial(_located, context.job.subject))
    except NotFound:
        return False
    return located.connection.version != read.version


def _read(
    context: Context, destination: Destination, scope: Scope, comparison: Comparison
) -> tuple[list[str], list[SemanticObject]]:
    """Hand every table of the database to the comparison; returns what the session noticed, and
    the semantic objects of the database where the connection asks for them."""
    with _session(context, destination) as session:
        before = len(session.notices)
        total = sum(scope.asked.wants(name) for name in session.schemas())
        done, place = 0, None
        context.progress(READING, 0, total)
        for found in session.catalog(scope.asked):
            comparison.take(found)
            if (found.catalog, found.schema) != place:
                done, place = done + 1, (found.catalog, found.schema)
                context.progress(READING, min(done - 1, total), total)
        context.progress(READING, total, total)
        asked = destination.settings.get("enableDbSemanticLayerIntegration")
        found = session.semantic_objects(scope.asked) if asked and not scope.partial else []
        notices = list(session.notices)
        # What was said of the catalog is not for the questions that the session is used for next.
        del session.notices[before:]
        return notices, found


@contextmanager
def _session(context: Context, destination: Destination) -> Generator[Session]:
    """A session from the pool; one that is left in the middle of a read is not given back."""
    with sessions.leased(context.house, destination, wait=WAIT_SECONDS) as session:
        try:
            yield session
        except DatabaseFailure:
            raise  # the adapter marks a session that is broken by its failure
        except BaseException:
            session.broken = True
            raise


def _same(unit: UnitOfWork, *, connection_id: str, values: dict[str, Any]) -> None:
    states.put(unit, connection_id, refreshed_at=unit.now, **values)


def _keep_failure(context: Context, error: Exception) -> None:
    failure = _failure(error)

    def work(unit: UnitOfWork) -> None:
        told = {**failure, "at": unit.now}
        states.put(unit, context.job.subject, failure=told, job_id=context.job.id)

    context.write(work)


def _failure(error: Exception) -> dict[str, Any]:
    """What is told of an error. The text of one that nobody expected may hold anything."""
    if isinstance(error, DatabaseFailure):
        return {
            "stage": error.stage.value,
            "cause": error.cause.value,
            "message": error.message,
            "fix": error.fix,
        }
    known = isinstance(error, ApiError | JobFailed)
    message = str(error) if known else "Unexpected error; the server's log has it."
    return {"stage": "refresh", "cause": "other", "message": message, "fix": None}
