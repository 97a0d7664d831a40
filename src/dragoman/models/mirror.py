"""A model's files in a folder, and back: what changed on either side, and what on both.

The folder notes in `.dragoman.json` what it was last the same as, so that each side's changes are
told from the other's and nothing is overwritten unseen. A first line for editors, which find the
schemas in `.dragoman/`, belongs to the folder (`files.folders`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from dragoman.models import files
from dragoman.models.records import Model
from dragoman.models.threeway import Unreadable, merge
from dragoman.semantics.files import BadPath, disk_path, parse_path, read
from dragoman.semantics.files.folders import for_folder, from_folder, schema_files
from dragoman.store import UnitOfWork

STATE = ".dragoman.json"
MOST_TOLD = 20


class State(msgspec.Struct, rename="camel"):
    """What a folder was last the same as: the model or branch, its version, a checksum a file."""

    model_id: str
    version: int
    files: dict[str, str]


class Folder:
    """The model files in a folder; other files in it are nobody's business."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, Path] = {}

    def texts(self) -> dict[str, str]:
        """The text of each model file by its key. Raises `ValueError` where two have one key or a
        file is no text."""
        found: dict[str, str] = {}
        for file in sorted(self.path.rglob("*.y*ml")):
            place = file.relative_to(self.path)
            if file.is_symlink() or not file.is_file() or any(p[0] == "." for p in place.parts):
                continue
            try:
                key = parse_path(place.as_posix()).key
            except BadPath:
                continue
            if key in found:
                raise ValueError(f"two files are called {key}")
            self._places[key] = file
            try:
                found[key] = from_folder(file.read_bytes().decode("utf-8-sig"))
            except UnicodeDecodeError:
                raise ValueError(f"{place} is no text in UTF-8") from None
        return found

    def check(self, keys: Iterable[str]) -> None:
        """Raise `ValueError` with what keeps files that `texts` found from being read, at the lines
        where an editor shows it."""
        wrong: list[str] = []
        for key in keys:
            file = self._places[key]
            for problem in read(key, file.read_bytes().decode("utf-8-sig")).problems:
                place = f"{file.relative_to(self.path)}:{problem.line}:{problem.column}"
                wrong.append(f"{place}: {problem.message}. {problem.fix}".rstrip())
        if wrong:
            more = f"\nand {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
            raise ValueError("\n".join(wrong[:MOST_TOLD]) + more)

    def state(self) -> State | None:
        """What the folder was last the same as. Raises `ValueError` for a note that is broken."""
        try:
            return msgspec.json.decode((self.path / STATE).read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            raise ValueError(f"{STATE} cannot be read; delete it and pull again") from None

    def note(self, model: Model, version: int, texts: Mapping[str, str]) -> None:
        """Note that the folder is the same as the model now."""
        sums = {key: files.checksum_of(text) for key, text in sorted(texts.items())}
        state = State(model.id, version, sums)
        self.path.mkdir(parents=True, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n"
        (self.path / STATE).write_bytes(text)

    def write_schemas(self) -> None:
        """Put the JSON Schema of each kind of file where the first lines look for it."""
        for name, text in schema_files():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())

    def write(self, key: str, text: str | None) -> None:
        """Write a file, or take it away with the folders that are empty then."""
        file = self.path / disk_path(key)
        if text is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(for_folder(parse_path(key), text)[1].encode())
            return
        for spelling in (file, file.with_suffix(".yml")):
            spelling.unlink(missing_ok=True)
        for parent in file.parents:
            if parent == self.path or any(parent.iterdir()):
                break
            parent.rmdir()


@dataclass(slots=True)
class Plan:
    """What one side gets: key to text, None to delete. `conflicts`: files that both sides changed
    in ways that do not go together."""

    changes: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    conflicts: list[str] = field(default_factory=list[str])


def model_texts(unit: UnitOfWork, model: Model) -> dict[str, str]:
    """The files of a model or branch."""
    return {path: file.text or "" for path, file in files.all_files(unit, model).items()}


def pull_plan(unit: UnitOfWork, model: Model, folder: Folder, *, force: bool = False) -> Plan:
    """What the folder gets. A file that both sides changed is merged where that is clean.

    Raises `ValueError` for a file of the folder that would be merged and cannot be read.
    """
    remote, local, state = model_texts(unit, model), folder.texts(), _state(folder, model)
    plan = Plan()
    for key in sorted({*remote, *local, *state.files}):
        mine, theirs, seen = local.get(key), remote.get(key), state.files.get(key)
        if mine == theirs or (not force and _same(theirs, seen)):
            continue
        if force or _same(mine, seen):
            plan.changes[key] = theirs
            continue
        base = None if model.is_branch else files.text_at(unit, model.id, key, state.version)
        try:
            merged = merge(key, base, theirs, mine) if base is not None else None
        except Unreadable as wrong:
            raise ValueError(f"{disk_path(key)}, {wrong}") from None
        if merged is None or merged.conflicts:
            plan.conflicts.append(key)
        elif merged.text != mine:
            plan.changes[key] = merged.text
    return plan


def push_plan(unit: UnitOfWork, model: Model, folder: Folder, *, force: bool = False) -> Plan:
    """What the model gets. A file that the model changed since is a conflict: pull first."""
    remote, local, state = model_texts(unit, model), folder.texts(), _state(folder, model)
    plan = Plan()
    for key in sorted({*remote, *local, *state.files}):
        mine, theirs, seen = local.get(key), remote.get(key), state.files.get(key)
        if mine == theirs or (not force and _same(mine, seen)):
            continue
        if not force and not _same(theirs, seen):
            plan.conflicts.append(key)
        else:
            plan.changes[key] = mine
    return plan


def difference(unit: UnitOfWork, model: Model, folder: Folder) -> Plan:
    """What would make the model the folder, whatever either was before."""
    remote, local = model_texts(unit, model), folder.texts()
    keys = sorted({*remote, *local})
    return Plan({key: local.get(key) for key in keys if local.get(key) != remote.get(key)})


def signs(before: Iterable[str], changes: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """A for added, M for changed, D for deleted, with the key."""
    known = set(before)
    return [
        ("D" if text is None else "M" if key in known else "A", key)
        for key, text in changes.items()
    ]


def _state(folder: Folder, model: Model) -> State:
    """The note of the folder, if it is of this model or of the one that this is a branch of (a
    branch begins as that is); else one that says nothing."""
    found = folder.state()
    own = (model.id, model.base_model_id) if model.is_branch else (model.id,)
    return found if found is not None and found.model_id in own else State(model.id, 0, {})


def _same(text: str | None, seen: str | None) -> bool:
    return (None if text is None else files.checksum_of(text)) == seen
