"""A model's files as files of a repository, and back."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.git.plan import Theirs
from dragoman.git.state import blob_id
from dragoman.semantics.files import BadPath, disk_path, parse_path, read
from dragoman.semantics.files.folders import from_folder

SUFFIXES = (".yaml", ".yml")


def to_git(
    changes: Mapping[str, str | None], there: Mapping[str, Theirs]
) -> dict[str, bytes | None]:
    """Files by their keys as contents by their paths under the model's folder. One that is `there`
    keeps its path: git may have it as `.yml`."""
    return {
        there[key].path if key in there else disk_path(key): None if text is None else text.encode()
        for key, text in changes.items()
    }


def from_git(files: Mapping[str, bytes]) -> tuple[dict[str, Theirs], list[str]]:
    """Contents by path as files by key, and a sentence for each that no model can have.

    Files that are none of a model's (`notes.yaml`, what is in `.github`) are left alone. The line
    that `models pull` writes for editors, and a mark of byte order, are the folder's, not the
    model's.
    """
    found: dict[str, Theirs] = {}
    bad: list[str] = []
    for path, content in files.items():
        if any(part.startswith(".") for part in path.split("/")):
            continue
        try:
            key = parse_path(path).key
        except BadPath:
            continue
        if key in found:
            bad.append(f"{path}: there is another file of that name, with .yaml or .yml")
            continue
        try:
            text = from_folder(content.decode("utf-8-sig"))
        except UnicodeDecodeError:
            bad.append(f"{path}: not UTF-8 text")
            continue
        found[key] = Theirs(blob_id(content), text, path)
    return found, bad


def mistakes(files: Mapping[str, str | None]) -> list[str]:
    """What keeps files from being read, a sentence each, with line and column."""
    found: list[str] = []
    for key, text in files.items():
        for problem in read(key, text).problems if text is not None else ():
            if not problem.is_warning:
                place = f"{disk_path(key)}:{problem.line}:{problem.column}"
                found.append(f"{place}: {problem.message}")
    return found
