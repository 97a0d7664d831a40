"""What a model, or a branch of it, and its git branch had in common last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select

from dragoman.git.plan import Was
from dragoman.git.tables import model_git_branches, model_git_files
from dragoman.store import UnitOfWork

_ROWS = 500  # a statement; SQLite and PostgreSQL both take 2,000 values


@dataclass(frozen=True, slots=True)
class State:
    """`commit` is None before the first sync. `gone`: files that both sides had deleted."""

    commit: str | None = None
    files: Mapping[str, Was] = field(default_factory=dict[str, Was])
    gone: frozenset[str] = frozenset()

    @property
    def rows(self) -> dict[str, Was | None]:
        """Every file that is known of; None for one that is gone."""
        return {**dict.fromkeys(self.gone), **self.files}


def load(unit: UnitOfWork, model_id: str) -> State:
    """The state of a model or branch."""
    branches, files = model_git_branches, model_git_files
    commit = unit.db.execute(
        select(branches.c.commit).where(branches.c.model_id == model_id)
    ).scalar()
    if commit is None:
        return State()
    rows = unit.db.execute(
        select(files.c.path, files.c.blob, files.c.text).where(files.c.model_id == model_id)
    )
    found = {row.path: Was(row.blob, row.text) if row.blob else None for row in rows}
    there = {path: was for path, was in found.items() if was is not None}
    return State(commit, there, frozenset(found.keys() - there.keys()))


def note(
    unit: UnitOfWork,
    model_id: str,
    git_branch: str,
    commit: str,
    before: Mapping[str, Was | None],
    now: Mapping[str, Was | None],
) -> None:
    """Both sides have these files now. Writes what differs from the rows of `before` only."""
    branches, files = model_git_branches, model_git_files
    unit.db.execute(delete(branches).where(branches.c.model_id == model_id))
    row = {"git_branch": git_branch, "commit": commit, "synced_at": unit.now}
    unit.db.execute(insert(branches).values(model_id=model_id, **row))
    changed = [
        path
        for path in {*before, *now}
        if path not in before or path not in now or before[path] != now[path]
    ]
    for start in range(0, len(changed), _ROWS):
        part = changed[start : start + _ROWS]
        mine = (files.c.model_id == model_id) & files.c.path.in_(part)
        unit.db.execute(delete(files).where(mine))
        rows = [_row(model_id, path, now[path]) for path in part if path in now]
        if rows:
            unit.db.execute(insert(files), rows)


def _row(model_id: str, path: str, was: Was | None) -> dict[str, str | None]:
    known = (was.blob, was.text) if was is not None else ("", None)  # no blob: both deleted it
    return {"model_id": model_id, "path": path, "blob": known[0], "text": known[1]}


def blob_id(content: bytes) -> str:
    """Git's id of a file's content (gitrepository-layout(5)): SHA-1, as git has it."""
    head = b"blob %d\0" % len(content)
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
