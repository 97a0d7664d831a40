"""What works and what does not between here and a database, stage by stage.

All ten stages are always there, in order; after the first that fails the rest are skipped.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from dragoman.dialects.base import Dialect, Session, SessionOptions, Target
from dragoman.dialects.explanations import detail_of, fix_for
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.names import compile_patterns, split_names
from dragoman.dialects.network import Network
from dragoman.dialects.texts import tidy

DEADLINE_SECONDS = 30.0
_PROBE_SECONDS = 10.0


class Status(StrEnum):
    """How a stage ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(slots=True)
class StageResult:
    """One stage; `milliseconds` is 0 when it was skipped.

    `fix`: what a person can do, empty where nothing failed. `detail`: the stable name of the cause
    and the database's own code, for a specialist.
    """

    stage: Stage
    status: Status = Status.SKIPPED
    milliseconds: int = 0
    message: str = "Not reached."
    fix: str = ""
    detail: str = ""
    cause: Cause | None = None


@dataclass(slots=True)
class Diagnosis:
    """All stages in order. `success`: none failed."""

    stages: list[StageResult] = field(default_factory=lambda: [StageResult(s) for s in Stage])

    @property
    def success(self) -> bool:
        """Whether no stage failed."""
        return self.failed is None

    @property
    def failed(self) -> StageResult | None:
        """The stage that failed, if one did."""
        return next((s for s in self.stages if s.status is Status.FAILED), None)

    def __getitem__(self, stage: Stage) -> StageResult:
        return self.stages[list(Stage).index(stage)]


def diagnose(
    dialect: Dialect,
    target: Target,
    network: Network,
    options: SessionOptions,
    *,
    unresolved: DatabaseFailure | None = None,
    deadline: float = DEADLINE_SECONDS,
) -> Diagnosis:
    """Try every stage; takes `deadline` seconds at most and raises nothing.

    `unresolved`: why a secret or a setting could not be had, when the caller found that out.
    """
    examination = _Examination(dialect, target, network, options, unresolved)
    # A thread of its own, because a driver may hang where no time-out of ours reaches.
    worker = threading.Thread(target=examination.run, name="diagnosis", daemon=True)
    worker.start()
    worker.join(deadline)
    return examination.report(deadline)


class _NothingToDo(Exception):
    """The stage does not exist for this dialect; the text says why."""


class _Examination:
    """One diagnosis under way; after `report` nothing of it changes any more."""

    def __init__(
        self,
        dialect: Dialect,
        target: Target,
        network: Network,
        options: SessionOptions,
        unresolved: DatabaseFailure | None,
    ) -> None:
        self._dialect = dialect
        self._target = target
        self._network = network
        self._options = options
        self._unresolved = unresolved
        self._address: tuple[str, int] | None = None
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._diagnosis = Diagnosis()
        self._current: tuple[Stage, float] | None = None
        self._over = False

    def run(self) -> None:
        steps: tuple[tuple[Stage, Callable[[], str]], ...] = (
            (Stage.SETTINGS, self._settings),
            (Stage.DRIVER, self._driver),
            (Stage.DNS, self._dns),
            (Stage.TCP, self._tcp),
            (Stage.TLS, self._tls),
            (Stage.AUTHENTICATION, self._authentication),
            (Stage.DATABASE, self._database),
            (Stage.SCHEMA, self._schema),
            (Stage.PRIVILEGES, self._privileges),
            (Stage.QUERY, self._query),
        )
        try:
            for stage, step in steps:
                if not self._pass(stage, step):
                    break
        finally:
            if self._session is not None:
                self._session.close()

    def report(self, deadline: float) -> Diagnosis:
        """What is known now; the stage under way becomes a failure."""
        with self._lock:
            self._over = True
            if self._current is not None:
                stage, started = self._current
                message = f"No answer within {deadline:g} seconds."
                late = DatabaseFailure(stage, Cause.TIMEOUT, message)
                self._fail(stage, late, started)
            return self._diagnosis

    def _pass(self, stage: Stage, step: Callable[[], str]) -> bool:
        started = time.monotonic()
        with self._lock:
            if self._over:
                return False
            self._current = (stage, started)
        failure, status, message = None, Status.PASSED, ""
        try:
            message = step()
        except _NothingToDo as reason:
            status, message = Status.SKIPPED, str(reason)
        except DatabaseFailure as known:
            failure = known
        except Exception as error:  # noqa: BLE001 - a diagnosis never raises
            text = tidy(str(error), self._target.secrets) or type(error).__name__
            failure = DatabaseFailure(stage, Cause.OTHER, text)
        with self._lock:
            if self._over:
                return False
            self._current = None
            if failure is None:
                self._record(stage, status, started, message)
            else:
                self._fail(stage, failure, started)
            return failure is None

    def _record(self, stage: Stage, status: Status, started: float, message: str) -> None:
        result = self._diagnosis[stage]
        result.status, result.message = status, message
        if status is not Status.SKIPPED:
            result.milliseconds = round((time.monotonic() - started) * 1000)

    def _fail(self, at: Stage, failure: DatabaseFailure, started: float) -> None:
        """A step may find that a later stage failed (signing in, that there is no database)."""
        order = list(Stage)
        stage = _stage_of(failure, at)
        for between in order[order.index(at) : order.index(stage)]:
            if at is Stage.SCHEMA:
                self._record(between, Status.SKIPPED, started, "The catalog cannot be read.")
            else:
                self._record(between, Status.PASSED, started, "Passed.")
        self._record(stage, Status.FAILED, started, failure.message)
        result = self._diagnosis[stage]
        result.fix = fix_for(failure, self._dialect.declaration)
        result.detail, result.cause = detail_of(failure), failure.cause

    def _settings(self) -> str:
        if self._unresolved is not None:
            raise self._unresolved
        self._address = self._dialect.network_address(self._target)
        return "The settings are complete."

    def _driver(self) -> str:
        driver = self._dialect.declaration.driver
        driver.require()
        if not self._dialect.declaration.live:
            label = self._dialect.declaration.label
            raise DatabaseFailure(
                Stage.DRIVER, Cause.NOT_LIVE, f"This version does not dial {label} yet."
            )
        return f"{driver.distribution} is installed."

    def _dns(self) -> str:
        found = self._network.resolve(*self._dialled())
        return f"{found[0].host} is {', '.join(address.ip for address in found)}."

    def _tcp(self) -> str:
        sock, address = self._network.connect(*self._dialled(), self._probe_seconds())
        sock.close()
        return f"{address.ip} answers on port {address.port}."

    def _tls(self) -> str:
        sock, address = self._network.connect(*self._dialled(), self._probe_seconds())
        with contextlib.closing(sock):
            policy, limit = self._network.tls, self._probe_seconds()
            agreed = self._dialect.starttls(sock, address, self._target, policy, timeout=limit)
            return f"{agreed}."

    def _authentication(self) -> str:
        self._session = self._dialect.open_session(self._target, self._network, self._options)
        if self._address is None:
            return "The database was opened; nobody needs to sign in."
        name = self._target.username
        return f"Signed in as {name}." if name else "Signed in."

    def _database(self) -> str:
        name = self._target.database
        return f"{name} is there." if name else "No database is named; the user's own is used."

    def _schema(self) -> str:
        found = self._open.schemas()
        default = self._target.text("defaultSchema")
        if default and default not in found:
            raise _no_schema(default, "defaultSchema", found)
        for name in split_names(self._target.text("includeSchemas")):
            if not self._matching(name, found):
                raise _no_schema(name, "includeSchemas", found)
        return f"{_counted(len(found), 'schema')} within reach."

    def _privileges(self) -> str:
        count = self._open.readable_tables(self._scope())
        if count == 0:
            raise DatabaseFailure(
                Stage.PRIVILEGES,
                Cause.PERMISSION_DENIED,
                "This user may read no table in these schemas.",
                "Grant SELECT on the tables, or choose other schemas (includeSchemas).",
            )
        return f"{_counted(count, 'table')} can be read."

    def _query(self) -> str:
        self._open.ping()
        notices = " ".join(self._open.notices)
        return f"A query was answered. {notices}".strip()

    def _scope(self) -> list[str]:
        """The schemas that the settings name; none named means all."""
        listed = self._target.text("includeSchemas")
        return self._matching(listed, self._open.schemas()) if listed.strip() else []

    def _matching(self, names: str, found: list[str]) -> list[str]:
        """The schemas that the names, with their wildcards, stand for."""
        chosen = compile_patterns(names)
        return [schema for schema in found if chosen.matches(schema, self._target.database)]

    def _dialled(self) -> tuple[str, int]:
        if self._address is None:
            raise _NothingToDo("An embedded engine: nothing is dialled.")
        return self._address

    @property
    def _open(self) -> Session:
        assert self._session is not None  # noqa: S101 - the stages before opened it
        return self._session

    def _probe_seconds(self) -> float:
        return min(_PROBE_SECONDS, self._options.connect_seconds)


def _stage_of(failure: DatabaseFailure, at: Stage) -> Stage:
    """The stage that failed when the step `at` did."""
    if at in {Stage.SCHEMA, Stage.PRIVILEGES}:
        # Both ask the catalog: who may not read it lacks a privilege, whatever was asked.
        return Stage.PRIVILEGES if failure.cause is Cause.PERMISSION_DENIED else at
    order = list(Stage)
    # The driver dials anew: what it says of a stage that passed is said of the present one.
    return failure.stage if order.index(failure.stage) > order.index(at) else at


def _no_schema(name: str, setting: str, found: list[str]) -> DatabaseFailure:
    shown = ", ".join(found[:10]) or "none"
    more = ", …" if len(found) > 10 else ""
    return DatabaseFailure(
        Stage.SCHEMA,
        Cause.SCHEMA_NOT_FOUND,
        f"There is no schema {name} ({setting}).",
        f"Correct {setting}, or let this user see the schema. Within reach: {shown}{more}.",
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"
