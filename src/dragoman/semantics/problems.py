"""What is wrong with a model, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

# Keys and list positions (from 0) that lead into a file: ("dimensions", "id", "sql").
YamlPath = tuple[str | int, ...]


class Mark(NamedTuple):
    """A place in a file, both from 1."""

    line: int
    column: int


class Severity(StrEnum):
    """An error makes the model, or the part of it that is named, unusable."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Edit:
    """One change inside a file. `delete`: take the key away; else it gets `value`.

    `rename`: the key at `path` is called that from now on and keeps its value and its place.
    """

    path: YamlPath
    value: Any = None
    delete: bool = False
    rename: str | None = None


@dataclass(frozen=True, slots=True)
class AutoFix:
    """A change that mends a problem. `unique` tells it from the others of the same kind."""

    short: str
    unique: str
    file: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    `file`: the key of the file (`public/users.view`); None where the problem is of no file.
    `line`, `column`: from 1; None where the file is generated. `code`: a stable name for machines.
    """

    code: str
    message: str
    severity: Severity = Severity.ERROR
    fix: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    yaml_path: YamlPath = ()
    view: str | None = None
    field: str | None = None
    topic: str | None = None
    auto_fix: AutoFix | None = None

    @property
    def is_warning(self) -> bool:
        """Whether the model still works."""
        return self.severity is Severity.WARNING

    @property
    def wire_path(self) -> str:
        """File, section and name as the contract writes them: `orders.view,measures,total`."""
        return ",".join([*([self.file] if self.file else []), *map(str, self.yaml_path)])
