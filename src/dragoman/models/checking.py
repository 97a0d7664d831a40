"""The check of a model, in the shape that clients read (contract §3.5)."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.connections import service as connections
from dragoman.models import extending
from dragoman.models.composing import composed
from dragoman.models.records import Model
from dragoman.semantics.problems import Problem
from dragoman.semantics.validation import validate
from dragoman.store import UnitOfWork


class Fix(msgspec.Struct):
    """A change that mends an issue."""

    description_short: str
    description_unique: str


class Issue(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One finding. `yaml_path`: file, section and name; `line`, `column` from 1."""

    message: str
    severity: str
    is_warning: bool | msgspec.UnsetType = msgspec.UNSET
    yaml_path: str | msgspec.UnsetType = msgspec.UNSET
    code: str | msgspec.UnsetType = msgspec.UNSET
    fix: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    view: str | None = None
    field: str | None = None
    topic: str | None = None
    auto_fix: Fix | None = None


class Verdict(msgspec.Struct):
    """The May contract's shape; `valid`: no errors."""

    valid: bool
    issues: list[Issue]


def check(unit: UnitOfWork, model: Model, limit: int | None = None) -> list[Issue]:
    """Everything that is wrong with a model or branch, errors before warnings."""
    connection = connections.load(unit, model.connection_id)
    dialect = None if connection is None else connection.dialect
    found = [*unknown_models(unit, model), *validate(composed(unit, model), dialect)]
    found = sorted(found, key=lambda problem: problem.is_warning)
    return [_issue(problem) for problem in found[:limit]]


def unknown_models(unit: UnitOfWork, model: Model) -> list[Problem]:
    """Models that the model file extends and that are not there."""
    names = extending.extended_by(unit, model)
    known = extending.named(unit, model, names)
    return [
        Problem(
            file="model",
            code="unknown_model",
            message=f"No model {name}",
            fix="Name a shared model of this connection, or take it out of `extends`.",
            yaml_path=("extends", at),
        )
        for at, name in enumerate(names)
        if name not in known
    ]


def _issue(problem: Problem) -> Issue:
    auto: dict[str, Any] = {}
    if problem.auto_fix is not None:
        auto = {"auto_fix": Fix(problem.auto_fix.short, problem.auto_fix.unique)}
    return Issue(
        message=problem.message,
        severity=problem.severity.value,
        is_warning=problem.is_warning,
        yaml_path=problem.wire_path,
        code=problem.code,
        fix=problem.fix,
        file=problem.file,
        line=problem.line,
        column=problem.column,
        view=problem.view,
        field=problem.field,
        topic=problem.topic,
        **auto,
    )
