"""Wire shapes of connections (contract §2.5) and of connection environments (§2.6)."""

from __future__ import annotations

from typing import Annotated

import msgspec


class SettingWarning(msgspec.Struct, frozen=True):
    """Something accepted that deserves a word."""

    field: str
    message: str


class Created(msgspec.Struct, kw_only=True):
    """The answer of create: `data` is the connection's id. `warnings` only when there are any."""

    success: bool = True
    data: str
    warnings: list[SettingWarning] | msgspec.UnsetType = msgspec.UNSET


class ConnectionRow(msgspec.Struct, rename="camel"):
    """A connection in a list. Times are ISO 8601 UTC; absent values are null."""

    id: str
    name: str
    dialect: str
    database: str | None
    default_schema: str | None
    base_role: str
    deleted_at: str | None
    user_attribute_name_for_connections_environments: str | None
    user_attribute_values_for_default_environment: list[str] | None
    created_at: str
    updated_at: str
    # Later contracts spell the name without the inner "s": both are answered.
    user_attribute_name_for_connection_environments: str | None = None
    branch_connection_environment_overrides_user_attr: bool = False
    environment_connection_switches_schema_model: bool = False


class ConnectionList(msgspec.Struct):
    """All connections that the caller may read."""

    connections: list[ConnectionRow]


class StatusMessage(msgspec.Struct):
    """The usual answer of a change. `warnings` only when there are any."""

    message: str
    success: bool = True
    warnings: list[SettingWarning] | msgspec.UnsetType = msgspec.UNSET


class DiagnosedStage(msgspec.Struct):
    """One stage. `status` is passed, failed or skipped.

    `fix`: what a person can do; `detail`: the stable cause and the database's own code. Both are
    empty where nothing failed.
    """

    stage: str
    status: str
    milliseconds: int
    message: str
    fix: str
    detail: str


class DiagnosisAnswer(msgspec.Struct):
    """All ten stages in order; after one that failed the rest are skipped."""

    success: bool
    stages: list[DiagnosedStage]


# As long as its column, and no control characters: Postgres takes no NUL in a text.
AttributeName = Annotated[str, msgspec.Meta(max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]


class EnvironmentUserAttribute(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Which user attribute picks the environment, and the values that mean the base."""

    attribute_name: AttributeName
    default_values: list[str] | None


class ConnectionEnvironment(msgspec.Struct, rename="camel"):
    """An environment: the connection used instead of the base for these attribute values."""

    id: str
    base_connection_id: str
    connection_id: str
    user_attribute_values: list[str]


class EnvironmentList(msgspec.Struct, rename="camel"):
    """All environments."""

    connection_environments: list[ConnectionEnvironment]


class EnvironmentsCreated(msgspec.Struct, rename="camel"):
    """The May contract reads `connectionEnvironments`, later clients read `data`."""

    connection_environments: list[ConnectionEnvironment]
    data: list[ConnectionEnvironment]
    success: bool = True


class EnvironmentsCreate(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Ids as an array, or as comma-separated text."""

    base_connection_id: str
    environment_connection_ids: list[str] | str


class EnvironmentUpdate(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Values as an array, or as comma-separated text."""

    user_attribute_values: list[str] | str
