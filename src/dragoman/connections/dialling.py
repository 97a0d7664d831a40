"""From a connection to a database: the target with its secrets, the session, the diagnosis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.connections import environments, personal, secrets, service
from dragoman.connections.schemas import DiagnosedStage, DiagnosisAnswer
from dragoman.dialects import registry
from dragoman.dialects.base import Dialect, SessionOptions, Target
from dragoman.dialects.diagnosis import Diagnosis, diagnose
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.validation import Draft
from dragoman.house import House
from dragoman.store import UnitOfWork

T = TypeVar("T")
# With one of them a connection signs in without anybody's help.
_OF_A_SERVICE: Final = frozenset({"passwordUnencrypted", "privateKey"})


@dataclass(frozen=True, slots=True)
class Destination:
    """A database that may be dialled now. `version` changes whenever the connection does.

    `person`: who signs in for themselves, and `grant` which sign-in of theirs; both are empty where
    the connection's own secrets are used.
    """

    connection_id: str
    version: int
    dialect: Dialect
    target: Target
    person: str = ""
    grant: str = ""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the connection that is dialled."""
        return self.target.settings


@dataclass(frozen=True, slots=True)
class Located:
    """A connection that the principal may use, its secrets still sealed.

    `held`: what the principal signs in with; None where that is what the connection has.
    """

    connection: service.Connection
    secrets: Sequence[secrets.Kept]
    held: personal.Held | None = None

    @property
    def whose(self) -> str:
        """Whose rights in the database count, since which sign-in; empty for everybody's."""
        return f"{self.held.user_id}:{self.held.grant_id}" if self.held else ""


def locate(
    unit: UnitOfWork, principal: Principal, connection_id: str, permission: Permission
) -> Located:
    """Where a principal's question on a connection goes: its environment applies.

    Raises as `service.get` and `environments.choose`.
    """
    return located(unit, principal, service.get(unit, principal, connection_id, permission))


def located(unit: UnitOfWork, principal: Principal, connection: service.Connection) -> Located:
    """As `locate`, for a connection that the principal may use. Raises as `environments.choose`."""
    chosen = environments.choose(unit, principal, connection)
    held = personal.held(unit, principal, chosen)
    return Located(chosen, secrets.kept(unit, chosen.id), held)


def locate_itself(
    unit: UnitOfWork, principal: Principal, connection_id: str, permission: Permission
) -> Located:
    """The connection itself, whatever environment the principal has, as the connection's own
    identity or, where it has none, as the principal. Raises as `service.get`.

    Connection and secrets come from one unit of work: read apart, a change between the two would
    leave secrets that do not open.
    """
    found = service.get(unit, principal, connection_id, permission)
    kept = secrets.kept(unit, found.id)
    serves_all = any(each.property in _OF_A_SERVICE for each in kept)
    held = None if serves_all else personal.held(unit, principal, found)
    return Located(found, kept, held)


def opened(house: House, located: Located) -> Destination:
    """The connection with its secrets opened; may wait for a key command.

    Raises `DatabaseFailure` (stage settings).
    """
    found = located.connection
    revealed = secrets.reveal(
        located.secrets, house.vault, house.settings, found.id, found.settings
    )
    target = Target(found.dialect, found.settings, revealed)
    dialect, mine = registry.get(found.dialect), located.held
    if mine is None:
        return Destination(found.id, found.version, dialect, target)
    own = personal.target(house, found, mine, target)
    return Destination(found.id, found.version, dialect, own, mine.user_id, mine.grant_id or "")


async def opened_aside(house: House, located: Located) -> Destination:
    """As `opened`, off the event loop."""
    return await _aside(house, partial(opened, house, located))


async def _aside(house: House, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(house.blocking, work)


def session_options(
    house: House, settings: Mapping[str, Any], zone: str | None = None
) -> SessionOptions:
    """How a session of a connection is opened; `zone` is an IANA name, None leaves UTC."""
    root = house.settings.duckdb_root
    return SessionOptions(
        timeout_seconds=float(settings.get("queryTimeoutSeconds") or 900),
        timezone=zone,
        files=Path(root) if root else None,
        isolate=house.settings.isolate,
        memory_mb=house.settings.driver_memory_mb,
    )


async def diagnose_connection(house: House, located: Located) -> DiagnosisAnswer:
    """The staged diagnosis of a stored connection; an unresolved secret is its first stage."""
    connection = located.connection
    try:
        target = (await opened_aside(house, located)).target
    except DatabaseFailure as failure:
        unresolved = Target(connection.dialect, connection.settings, {})
        return await _diagnose(house, unresolved, failure)
    answer = await _diagnose(house, target)
    if answer.success:
        house.circuits.close(connection.id)
    return answer


async def diagnose_draft(house: House, draft: Draft) -> DiagnosisAnswer:
    """The staged diagnosis of settings that are not saved."""
    try:
        revealed = await _aside(house, partial(secrets.resolve_all, draft.secrets, house.settings))
    except DatabaseFailure as failure:
        return await _diagnose(house, Target(draft.dialect, draft.effective(), {}), failure)
    return await _diagnose(house, Target(draft.dialect, draft.effective(), revealed))


async def _diagnose(
    house: House, target: Target, unresolved: DatabaseFailure | None = None
) -> DiagnosisAnswer:
    work = partial(
        diagnose,
        registry.get(target.dialect),
        target,
        house.network,
        session_options(house, target.settings),
        unresolved=unresolved,
    )
    return _answer(await _aside(house, work))


def _answer(found: Diagnosis) -> DiagnosisAnswer:
    stages = [
        DiagnosedStage(s.stage.value, s.status.value, s.milliseconds, s.message, s.fix, s.detail)
        for s in found.stages
    ]
    return DiagnosisAnswer(found.success, stages)
