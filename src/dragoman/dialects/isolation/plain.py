"""What goes between the server and a worker, as plain JSON values and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final, cast

from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, Table, TableKind
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.names import SchemaFilter, compile_patterns
from dragoman.dialects.network import TlsPolicy
from dragoman.dialects.semantic_objects import (
    ObjectKind,
    SemanticField,
    SemanticJoin,
    SemanticObject,
    SemanticTable,
)
from dragoman.secret import SecretStr


def from_target(target: Target) -> dict[str, Any]:
    """With its secrets, which go over the socket only."""
    return {
        "dialect": target.dialect,
        "settings": dict(target.settings),
        "secrets": {name: secret.reveal() for name, secret in target.secrets.items()},
    }


def to_target(plain: dict[str, Any]) -> Target:
    """The reverse of `from_target`."""
    secrets = {name: SecretStr(value) for name, value in plain["secrets"].items()}
    return Target(plain["dialect"], plain["settings"], secrets)


def from_options(options: SessionOptions) -> dict[str, Any]:
    """The options of a session."""
    return {**asdict(options), "files": options.files and str(options.files)}


def to_options(plain: dict[str, Any]) -> SessionOptions:
    """The reverse of `from_options`."""
    files = Path(plain["files"]) if plain["files"] else None
    known: dict[str, Any] = {**plain, "files": files, "isolate": tuple(plain["isolate"])}
    return SessionOptions(**known)


def from_tls(policy: TlsPolicy) -> dict[str, Any]:
    """The rules of TLS."""
    return {
        "ca_file": policy.ca_file and str(policy.ca_file),
        "plaintext": policy.plaintext,
    }


def to_tls(plain: dict[str, Any]) -> TlsPolicy:
    """The reverse of `from_tls`."""
    return TlsPolicy(plain["ca_file"] and Path(plain["ca_file"]), plain["plaintext"])


def from_failure(failure: DatabaseFailure) -> list[str | None]:
    """A failure: stage, cause, message, fix, code."""
    return [failure.stage, failure.cause, failure.message, failure.fix, failure.code]


def to_failure(plain: Sequence[Any]) -> DatabaseFailure:
    """The reverse of `from_failure`. Raises `ValueError` for what is none."""
    stage, cause, message, fix, code = plain
    return DatabaseFailure(
        Stage(stage),
        Cause(cause),
        str(message),
        None if fix is None else str(fix),
        None if code is None else str(code),
    )


def from_filter(wanted: CatalogFilter) -> dict[str, Any]:
    """Which schemas are read."""
    return {each.name: _from_names(getattr(wanted, each.name)) for each in fields(wanted)}


def to_filter(plain: dict[str, Any]) -> CatalogFilter:
    """The reverse of `from_filter`."""
    return CatalogFilter(
        **{name: compile_patterns(text, fold=fold) for name, (text, fold) in plain.items()}
    )


def from_table(table: Table) -> dict[str, Any]:
    """A table of the catalog."""
    return asdict(table)


def to_table(plain: dict[str, Any]) -> Table:
    """The reverse of `from_table`. Raises `TypeError` or `ValueError` for what is none."""
    known: dict[str, Any] = {
        **plain,
        "kind": TableKind(plain["kind"]),
        "columns": [Column(**column) for column in plain["columns"]],
        "foreign_keys": [ForeignKey(**each) for each in plain["foreign_keys"]],
    }
    return Table(**known)


def from_object(found: SemanticObject) -> dict[str, Any]:
    """A semantic view or metric view."""
    return asdict(found)


def to_object(plain: dict[str, Any]) -> SemanticObject:
    """The reverse of `from_object`. Raises `TypeError` or `ValueError` for what is none."""
    parts = {
        name: [of(**_tuples(each)) for each in plain[name]]
        for name, of in _PARTS_OF_OBJECTS.items()
    }
    known: dict[str, Any] = {**plain, "kind": ObjectKind(plain["kind"]), **parts}
    return SemanticObject(**known)


_PARTS_OF_OBJECTS: Final[dict[str, type]] = {
    "tables": SemanticTable,
    "dimensions": SemanticField,
    "facts": SemanticField,
    "metrics": SemanticField,
    "joins": SemanticJoin,
}


def _tuples(plain: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists only."""
    return {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value
        for name, value in plain.items()
    }


def _from_names(names: SchemaFilter) -> tuple[str, bool]:
    return names.written(), names.fold
