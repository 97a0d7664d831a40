"""What a branch keeps of a file: the whole text where it differs from the base model's, a mark
where the file is gone, and nothing where the two are the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from dragoman.models.files import StoredFile, batches, some_files
from dragoman.models.records import Model, load
from dragoman.models.tables import model_files
from dragoman.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class Under:
    """The base model's files under a branch; nothing under any other model.

    `version`: the base model's now. `taken`: of each file that the branch has already, the base
    model's version that it was taken from.
    """

    version: int | None
    files: Mapping[str, StoredFile]
    taken: Mapping[str, int]

    def has(self, path: str, text: str) -> bool:
        """Whether the base model has the file with this very text."""
        found = self.files.get(path)
        return found is not None and found.text == text

    def hidden(self, changes: Mapping[str, str | None]) -> Iterable[str]:
        """The deleted files that the base model still has."""
        return [path for path, text in changes.items() if text is None and path in self.files]

    def version_of(self, path: str, given: Mapping[str, int]) -> int | None:
        """The base model's version that the branch's file is taken from; None for no branch."""
        if self.version is None:
            return None
        return given.get(path, self.taken.get(path, self.version))

    def gone(self, path: str, version: int, now: str, given: Mapping[str, int]) -> dict[str, Any]:
        """The row of a file that is gone in the branch."""
        return {
            "path": path,
            "kind": self.files[path].kind,
            "name": None,
            "text": None,
            "definition": None,
            "checksum": "",
            "version": version,
            "base_version": self.version_of(path, given),
            "updated_at": now,
        }


def under(unit: UnitOfWork, model: Model, paths: Iterable[str]) -> Under:
    """What the base model of a branch has under these paths."""
    base = load(unit, model.base_model_id) if model.is_branch and model.base_model_id else None
    if base is None:
        return Under(None, {}, {})
    wanted = list(paths)
    table = model_files
    taken: dict[str, int] = {}
    for batch in batches(wanted):
        mine = (table.c.model_id == model.id) & table.c.path.in_(batch)
        statement = select(table.c.path, table.c.base_version).where(mine)
        taken |= {row.path: row.base_version for row in unit.db.execute(statement)}
    return Under(base.version, some_files(unit, base, wanted), taken)
