"""Files of one folder of a commit, and a tree with some of them changed.

Nothing is written to a disk, and still nothing is accepted that a check-out could be tricked with:
no symbolic link, no submodule, no name that leads out of the folder.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from typing import Any

from dulwich.object_store import BaseObjectStore
from dulwich.objects import Blob, ObjectID, Tree

from dragoman.gitremote.failures import GitFailure, nonsense, quoted, too_large
from dragoman.gitremote.limits import MEGABYTE, Limits

FILE, FOLDER = 0o100644, 0o040000
_UNSAFE = {b"", b".", b"..", b".git"}


def read_files(
    store: BaseObjectStore, tree: bytes, folder: str, suffixes: tuple[str, ...], limits: Limits
) -> dict[str, bytes]:
    """Every file under `folder` whose name ends so, by its path from there.

    Raises `GitFailure` for a link, a submodule or an unsafe name under the folder, for too many
    files and for files that are too large.
    """
    root = _folder(store, tree, folder)
    if root is None:
        return {}
    found: dict[str, bytes] = {}
    total = 0
    for path, sha in _walk(store, root, "", limits.tree_depth):
        if not path.endswith(suffixes):
            continue
        content = _blob(store, sha)
        total += len(content)
        if len(content) > limits.file_bytes:
            raise too_large(f"the file {path}", f"{limits.file_bytes // MEGABYTE} MB")
        if len(found) == limits.files or total > limits.files_bytes:
            raise too_large("the model's folder", f"{limits.files} files")
        found[path] = content
    return found


def changed_tree(
    store: BaseObjectStore, tree: bytes | None, folder: str, changes: Mapping[str, bytes | None]
) -> bytes:
    """The id of a tree with files under `folder` written, or removed where None; the new objects
    are added to `store`. Everything else in the tree stays as it is."""
    root = _tree(store, tree) if tree is not None else Tree()
    prefix = [part for part in folder.split("/") if part]
    nested: dict[str, Any] = {}
    for path, content in changes.items():
        place = nested
        parts = [*prefix, *path.split("/")]
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        place[parts[-1]] = content
    _apply(store, root, nested)
    store.add_object(root)
    return root.id


def _apply(store: BaseObjectStore, tree: Tree, changes: Mapping[str, Any]) -> None:
    for text, change in changes.items():
        name = text.encode()
        if change is None:
            if name in tree:
                del tree[name]
        elif isinstance(change, bytes):
            blob = Blob.from_string(change)
            store.add_object(blob)
            mode = tree[name][0] if name in tree and stat.S_ISREG(tree[name][0]) else FILE
            tree[name] = (mode, blob.id)
        else:
            _apply_folder(store, tree, name, change)


def _apply_folder(
    store: BaseObjectStore, tree: Tree, name: bytes, changes: Mapping[str, Any]
) -> None:
    inner = Tree()
    if name in tree:
        mode, sha = tree[name]
        if not stat.S_ISDIR(mode):
            raise _not_a_folder(name)
        inner = _tree(store, sha)
    _apply(store, inner, changes)
    if len(inner):
        store.add_object(inner)
        tree[name] = (FOLDER, inner.id)
    elif name in tree:
        del tree[name]


def _folder(store: BaseObjectStore, tree: bytes, folder: str) -> bytes | None:
    for part in (part.encode() for part in folder.split("/") if part):
        entries = _tree(store, tree)
        if part not in entries:
            return None
        mode, tree = entries[part]
        if not stat.S_ISDIR(mode):
            raise _not_a_folder(part)
    return tree


def _walk(
    store: BaseObjectStore, tree: bytes, prefix: str, depth: int
) -> Iterator[tuple[str, bytes]]:
    if depth == 0:
        raise nonsense("The folders of the repository are nested too deeply.")
    for entry in _tree(store, tree).items():
        name, mode, sha = entry.path or b"", entry.mode or 0, entry.sha or b""
        path = prefix + _safe(name)
        if stat.S_ISDIR(mode):
            yield from _walk(store, sha, path + "/", depth - 1)
        elif stat.S_ISREG(mode):
            yield path, sha
        else:
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "a submodule"
            raise nonsense(f"{path} in the repository is {kind}; only files are read.")


def _safe(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = ""
    if name.lower() in _UNSAFE or "/" in text or "\\" in text or not text.isprintable():
        message = f"A file in the repository has a name that is not safe: {quoted(name)}"
        raise nonsense(message, "Rename it there, or take it away.")
    return text


def _tree(store: BaseObjectStore, sha: bytes) -> Tree:
    found = _object(store, sha)
    if not isinstance(found, Tree):
        raise _damaged()
    return found


def _blob(store: BaseObjectStore, sha: bytes) -> bytes:
    found = _object(store, sha)
    if not isinstance(found, Blob):
        raise _damaged()
    return found.as_raw_string()


def _object(store: BaseObjectStore, sha: bytes) -> object:
    try:
        return store[ObjectID(sha)]
    except KeyError:
        raise Incomplete from None


class Incomplete(Exception):
    """An object that should be there is not: a cache that lost a file, or a server that sent less
    than it said."""


def _damaged() -> GitFailure:
    return nonsense("The repository's objects are not what they should be.")


def _not_a_folder(name: bytes) -> GitFailure:
    return nonsense(f"{name.decode(errors='replace')} in the repository is not a folder.")
