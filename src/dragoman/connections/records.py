"""A connection as it is stored, and its two other forms: columns, and the row of a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select

from dragoman.connections.schemas import ConnectionRow, EnvironmentUserAttribute
from dragoman.connections.tables import connections as table
from dragoman.dialects import registry
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow


@dataclass(frozen=True, slots=True)
class Connection:
    """A stored connection. `settings` has every non-secret property, defaults filled in."""

    id: str
    settings: dict[str, Any]
    version: int
    environment_attribute: str | None
    environment_default_values: list[str] | None
    created_at: str
    updated_at: str
    deleted_at: str | None

    @property
    def dialect(self) -> str:
        """The dialect's wire name."""
        return str(self.settings["dialect"])

    @property
    def name(self) -> str:
        """The name people see."""
        return str(self.settings["name"])

    @property
    def tag(self) -> str:
        """The entity tag; another one after each change."""
        return f'"{self.version}"'


def load(unit: UnitOfWork, connection_id: str) -> Connection | None:
    """A stored connection, in the trash or not, whoever asks."""
    row = unit.db.execute(select(table).where(table.c.id == connection_id)).first()
    return None if row is None else connection_of(row)


def columns(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that follow from the settings."""
    declared = registry.get(str(settings["dialect"])).declaration
    uses_schema = declared.use("defaultSchema") is not None
    return {
        "name": settings["name"],
        "dialect": settings["dialect"],
        "database": settings.get("database"),
        # A live instance reads this back as null where the dialect ignores it (contract §2.1).
        "default_schema": settings.get("defaultSchema") if uses_schema else None,
        "base_role": settings["baseRole"],
        "settings": msgspec.json.encode(settings).decode(),
    }


def environment_columns(environment: EnvironmentUserAttribute | None) -> dict[str, Any]:
    """The columns that say how the environment is picked."""
    values = environment.default_values if environment else None
    return {
        "environment_attribute": environment.attribute_name if environment else None,
        "environment_default_values": None
        if values is None
        else msgspec.json.encode(values).decode(),
    }


def row_of(connection: Connection) -> ConnectionRow:
    """The connection as a list shows it."""
    stored = columns(connection.settings)
    return ConnectionRow(
        connection.id,
        stored["name"],
        stored["dialect"],
        stored["database"],
        stored["default_schema"],
        stored["base_role"],
        connection.deleted_at,
        connection.environment_attribute,
        connection.environment_default_values,
        connection.created_at,
        connection.updated_at,
        connection.environment_attribute,
    )


def connection_of(row: AnyRow) -> Connection:
    """The connection of a row that has all columns."""
    values = row.environment_default_values
    return Connection(
        row.id,
        msgspec.json.decode(row.settings),
        row.version,
        row.environment_attribute,
        None if values is None else msgspec.json.decode(values),
        row.created_at,
        row.updated_at,
        row.deleted_at,
    )
