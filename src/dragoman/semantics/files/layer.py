"""Files as a layer: a folder on disk, or texts by their keys."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dragoman.semantics.files import limits
from dragoman.semantics.files.naming import view_name
from dragoman.semantics.files.paths import BadPath, FileKind, FilePath, parse_path
from dragoman.semantics.files.reading import SourceFile, read
from dragoman.semantics.layers import Definition, TopicSource, ViewSource
from dragoman.semantics.plain import is_map
from dragoman.semantics.problems import Problem

_ENDS = ("join_from_view", "join_from_view_as", "join_to_view", "join_to_view_as")
Load = Callable[[], str]


class FilesLayer:
    """The layer that files make, each read when it is asked for.

    `files`: key to text, or to a function that loads it. `knows`: whether the layers below have a
    view of that name (`files.naming`). Of two files that define one view or topic the first counts,
    and `problems` names the second.
    """

    def __init__(
        self, files: Mapping[str, str | Load], knows: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._knows = knows
        self._loads: dict[str, str | Load] = {}
        self._paths: dict[str, FilePath] = {}
        self._read: dict[str, SourceFile] = {}
        self._faults: list[Problem] = []
        for key, text in sorted(files.items()):
            self._add(key, text)
        self._views: dict[str, str] | None = None
        self._topics = {p.name: p.key for p in reversed(self._of(lambda kind: kind.is_topic))}
        self._edges: dict[str | None, list[Definition]] | None = None

    def _add(self, key: str, text: str | Load) -> None:
        try:
            path = parse_path(key)
        except BadPath as bad:
            self._faults.append(Problem("file_name", bad.message, fix=bad.fix, file=key))
            return
        if path.key in self._paths:
            message = f"Two files are called {path.key}"
            self._faults.append(Problem("duplicate_file", message, fix="Delete one.", file=key))
            return
        self._paths[path.key] = path
        self._loads[path.key] = text

    def _of(self, wanted: Callable[[FileKind], bool]) -> list[FilePath]:
        return [path for path in self._paths.values() if wanted(path.kind)]

    def file(self, key: str) -> SourceFile | None:
        """A file by its key, read."""
        if key not in self._paths:
            return None
        if key not in self._read:
            self._read[key] = read(self._paths[key], self._text(key))
        return self._read[key]

    def _text(self, key: str) -> str:
        text = self._loads[key]
        if not isinstance(text, str):
            text = self._loads[key] = text()
        return text

    def files(self) -> Iterator[SourceFile]:
        """All files, read, in the order of their keys."""
        for key in self._paths:
            source = self.file(key)
            if source is not None:
                yield source

    def problems(self) -> list[Problem]:
        """Files that cannot be read or are there twice."""
        found = [*self._faults]
        for source in self.files():
            found.extend(source.problems)
        return [*found, *self._twice()]

    def _twice(self) -> Iterator[Problem]:
        views = self._view_files()
        for path in self._of(lambda kind: kind.is_view):
            name = self._name(path)
            if views[name] != path.key:
                yield Problem(
                    "duplicate_view",
                    f"The view {name} is defined in {views[name]} and in {path.key}",
                    fix="Merge them, or begin one with `# Reference this view as …`.",
                    file=path.key,
                    line=1,
                    column=1,
                    view=name,
                )
        for path in self._of(lambda kind: kind.is_topic):
            if self._topics[path.name] != path.key:
                yield Problem(
                    "duplicate_topic",
                    f"The topic {path.name} is defined in {self._topics[path.name]} and in "
                    f"{path.key}",
                    fix="Rename or delete one.",
                    file=path.key,
                    line=1,
                    column=1,
                    topic=path.name,
                )

    def _name(self, path: FilePath) -> str:
        return view_name(path, self._text(path.key), self._knows)

    def _view_key(self, name: str) -> str | None:
        """The file of a view: most are called like it, so that no other needs to be opened."""
        if self._views is not None:
            return self._views.get(name)
        likely = (name, name.rpartition("__")[2])
        for path in (p for base in likely for p in self._by_base.get(base, ())):
            if self._name(path) == name:
                return path.key
        return self._view_files().get(name)

    @functools.cached_property
    def _by_base(self) -> dict[str, list[FilePath]]:
        found: dict[str, list[FilePath]] = {}
        for path in self._of(lambda kind: kind.is_view):
            found.setdefault(path.name, []).append(path)
        return found

    def _view_files(self) -> dict[str, str]:
        if self._views is None:
            views: dict[str, str] = {}
            for path in self._of(lambda kind: kind.is_view):
                views.setdefault(self._name(path), path.key)
            self._views = views
        return self._views

    def settings(self) -> Definition:
        """The model file."""
        source = self.file("model")
        return source.data if source else {}

    def relationships(self) -> Sequence[Definition]:
        """All joins of the file."""
        source = self.file("relationships")
        entries: list[Any] = source.data if source else []
        return [entry for entry in entries if is_map(entry)]

    def relationships_of(self, view: str) -> Sequence[Definition]:
        """Joins with that view or alias at either end, and those without ends."""
        if self._edges is None:
            self._edges = {}
            for entry in self.relationships():
                names = {entry[key] for key in _ENDS if isinstance(entry.get(key), str)}
                for name in names or {None}:
                    self._edges.setdefault(name, []).append(entry)
        return [*self._edges.get(view, ()), *self._edges.get(None, ())]

    def view_names(self) -> list[str]:
        """The names of all views."""
        return list(self._view_files())

    def view(self, name: str) -> ViewSource | None:
        """One view."""
        key = self._view_key(name)
        source = self.file(key) if key else None
        return ViewSource(name, source.path.key, source.data) if source else None

    def views(self) -> Iterable[ViewSource]:
        """All views."""
        return [source for name in self._view_files() if (source := self.view(name))]

    def topic_names(self) -> list[str]:
        """The names of all topics."""
        return list(self._topics)

    def topic(self, name: str) -> TopicSource | None:
        """One topic."""
        key = self._topics.get(name)
        source = self.file(key) if key else None
        return TopicSource(name, source.path.key, source.data) if source else None

    def topics(self) -> Iterable[TopicSource]:
        """All topics."""
        return [source for name in self._topics if (source := self.topic(name))]

    def text(self, path: str) -> str | None:
        """The file as it was written."""
        return self._text(path) if path in self._paths else None


class FolderLayer(FilesLayer):
    """The model files below a folder. Hidden folders are left out; other files are ignored.

    Raises `NotADirectoryError`. Symbolic links are not followed: a model ends at its folder.
    """

    def __init__(self, folder: Path, knows: Callable[[str], bool] = lambda _: False) -> None:
        if not folder.is_dir():
            raise NotADirectoryError(20, "Not a folder", str(folder))
        self.folder = folder
        super().__init__(folder_files(folder), knows)


class GeneratedLayer(FilesLayer):
    """Files that a program wrote (a schema model): they are right, so nothing points into them."""

    def text(self, path: str) -> str | None:
        """Nobody wrote it."""
        return None


def folder_files(folder: Path) -> dict[str, str | Load]:
    """The model files below a folder, by key, each loaded when it is read."""
    return {key: _load(path) for key, path in model_files(folder)}


def model_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of a folder that belong to a model, with their keys relative to it."""
    yield from sorted(_below(folder, ""))


def _below(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.is_dir():
                yield from _below(Path(entry.path), f"{name}/")
            elif entry.is_file() and _is_of_a_model(name):
                yield name, Path(entry.path)


def _is_of_a_model(name: str) -> bool:
    try:
        parse_path(name)
    except BadPath:
        return False
    return True


def _load(path: Path) -> Load:
    def load() -> str:
        # One byte more than the limit allows: enough to be refused, too little to hurt.
        with path.open("rb") as file:
            raw = file.read(limits.MAX_CHARACTERS * 4 + 1)
        return raw.decode("utf-8-sig", errors="surrogateescape")

    return load
