"""The checks, in order, and how one is run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import dragoman
from dragoman.dialects.base import Declaration, Dialect
from dragoman.dialects.conformance import answers, limits, sessions, types
from dragoman.dialects.conformance.report import Report, Result, Status
from dragoman.dialects.conformance.subject import Subject, Unasked, Unmet
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.features import TYPES, Feature
from dragoman.dialects.texts import tidy

Look = Callable[[Subject], str]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise. `look` tells in words what it found; `Unmet` and `DatabaseFailure` break it.

    `feature`: a declaration may say no to it; then `declared` must find that it is so.
    `dialled`: only for what is dialled.
    """

    name: str
    look: Look
    feature: Feature | None = None
    declared: Look | None = None
    dialled: bool = False

    @property
    def promise(self) -> str:
        """The promise in words."""
        if self.feature in TYPES:
            return f"A value of the type {self.feature}, and its null, arrive exactly."
        return (self.look.__doc__ or "").strip()


def _type_check(kind: Feature) -> Check:
    name = "type_" + kind.name.lower()
    return Check(name, types.arrives(kind), kind, types.is_not_there(kind))


CHECKS: tuple[Check, ...] = (
    Check("diagnosis", answers.diagnosis),
    Check("catalog", answers.catalog),
    Check("text", answers.text),
    *(_type_check(kind) for kind in TYPES),
    Check("time_zone", sessions.time_zone, Feature.SESSION_TIME_ZONE, sessions.no_time_zone),
    Check("errors", answers.errors),
    Check("streaming", answers.streaming),
    Check("early_close", answers.early_close),
    Check("memory", answers.memory),
    Check("time_limit", limits.time_limit),
    Check("cancel", limits.cancel),
    Check("cancel_between_batches", limits.cancel_between_batches),
    Check("dropped_while_running", limits.dropped_while_running, dialled=True),
    Check(
        "dropped_between",
        limits.dropped_between,
        Feature.LASTING_CONNECTION,
        limits.dialled_anew,
        dialled=True,
    ),
    Check("guard", sessions.guard),
    Check("read_only", sessions.read_only, Feature.READ_ONLY_SESSION, sessions.rolled_back),
)


def run(check: Check, subject: Subject) -> Result:
    """Make one check. Raises nothing."""
    started = time.monotonic()
    status, found = _outcome(check, subject)
    return Result(check.name, status, found, time.monotonic() - started)


def report_for(dialect: Dialect) -> Report:
    """An empty report of this dialect by this version."""
    driver = dialect.declaration.driver.distribution
    version = importlib.metadata.version(driver)
    return Report(dialect.declaration.name, dragoman.__version__, f"{driver} {version}")


def fingerprint(declaration: Declaration) -> str:
    """Changes with the checks and with what a declaration lacks: an older record is then stale."""
    content = [[check.name, check.promise] for check in CHECKS], sorted(declaration.lacks.items())
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _outcome(check: Check, subject: Subject) -> tuple[Status, str]:
    if check.dialled and subject.dialect.network_address(subject.target) is None:
        return Status.SKIPPED, "Nothing is dialled."
    gap = subject.gaps.get(check.name)
    status, found = _looked(check, subject)
    if gap is None:
        return status, found
    if status is Status.FAILED:
        return Status.GAP, gap
    return Status.FAILED, f"It is said to be a gap ({gap}), and is none: {found}"


def _looked(check: Check, subject: Subject) -> tuple[Status, str]:
    lacks = subject.dialect.declaration.lacks
    no = lacks.get(check.feature) if check.feature else None
    look = check.look if no is None else _declared(check, lacks)
    try:
        found = look(subject)
    except Unasked as reason:
        return Status.SKIPPED, str(reason)
    except Unmet as broken:
        return Status.FAILED, str(broken)
    except DatabaseFailure as failure:
        return Status.FAILED, f"{failure.stage.value}, {failure.cause.value}: {failure.message}"
    except Exception as error:  # noqa: BLE001 - an adapter must raise DatabaseFailure only
        text = tidy(str(error), subject.target.secrets)
        return Status.FAILED, f"{type(error).__name__}: {text}"
    return (Status.PASSED, found) if no is None else (Status.DECLARED, f"{no} {found}".strip())


def _declared(check: Check, lacks: Collection[Feature]) -> Look:
    """How a declared no shows itself."""
    if check.feature is Feature.READ_ONLY_SESSION and Feature.ROLLED_BACK in lacks:
        return sessions.not_refused
    return check.declared or check.look
