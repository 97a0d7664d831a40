"""A model as it is stored: its row, and the models under and over it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, select

from dragoman.models.tables import models as table
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow
from dragoman.store.prepared import Prepared, PreparedInsert


class Kind(StrEnum):
    """What a model is (contract §3.1)."""

    SCHEMA = "SCHEMA"
    SHARED = "SHARED"
    SHARED_EXTENSION = "SHARED_EXTENSION"
    BRANCH = "BRANCH"
    WORKBOOK = "WORKBOOK"
    QUERY = "QUERY"


@dataclass(frozen=True, slots=True)
class Model:
    """A stored model. `version`: of its newest save, 0 before the first. A schema model has its
    connection's id and name."""

    id: str
    connection_id: str
    kind: Kind
    name: str | None
    base_model_id: str | None
    allow_as_workbook_base: bool
    uses_isolated_branches: bool
    version: int
    created_at: str
    updated_at: str
    deleted_at: str | None

    @property
    def is_branch(self) -> bool:
        """Whether its files stand over those of its base model."""
        return self.kind is Kind.BRANCH


_COLUMNS = (
    table.c.id,
    table.c.connection_id,
    table.c.kind,
    table.c.name,
    table.c.base_model_id,
    table.c.allow_as_workbook_base,
    table.c.uses_isolated_branches,
    table.c.version,
    table.c.created_at,
    table.c.updated_at,
    table.c.deleted_at,
)
ROWS = select(*_COLUMNS)
_ONE = Prepared(ROWS.where(table.c.id == bindparam("id")))
INSERT = PreparedInsert(table, *(column.name for column in table.columns))


def load(unit: UnitOfWork, model_id: str) -> Model | None:
    """A stored model, deleted or not, whoever asks."""
    row = _ONE.first(unit, id=model_id)
    return None if row is None else model_of(row)


def model_of(row: AnyRow | tuple[Any, ...]) -> Model:
    """The model of a row of `ROWS`."""
    (id_, connection_id, kind, name, base, workbook_base, isolated, *rest) = row
    options = bool(workbook_base), bool(isolated)
    return Model(id_, connection_id, Kind(kind), name, base, *options, *rest)


def lineage(unit: UnitOfWork, model: Model) -> list[Model]:
    """The models whose files make this one up, lowest first, itself last; no schema model, whose
    layer the catalog room gives. A branch stands for its base model and itself."""
    found = [model]
    while (base_id := found[-1].base_model_id) is not None:
        base = load(unit, base_id)
        if base is None or base.kind is Kind.SCHEMA:
            break
        found.append(base)
    return [each for each in reversed(found) if each.kind is not Kind.SCHEMA]


def name_key(kind: Kind, parent: str, name: str) -> str:
    """What is unique among live models: a kind's name under one base model or connection."""
    return f"{kind}:{parent}:{name}"
