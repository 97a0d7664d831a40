"""Makes a commit out of changed files, and the pack that carries it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dulwich.object_store import MemoryObjectStore, OverlayObjectStore
from dulwich.objects import Commit, ObjectID
from dulwich.pack import pack_objects_to_data

from dragoman.gitremote.cache import ObjectCache
from dragoman.gitremote.remote import Author, person
from dragoman.gitremote.signing import Committer, sign
from dragoman.gitremote.trees import changed_tree


@dataclass(frozen=True, slots=True)
class Made:
    """A new commit's id, or None when nothing differs from its parent; and what to send."""

    commit: str | None
    objects: MemoryObjectStore
    pack: Callable[..., Any]


def build(
    cache: ObjectCache,
    parent: str | None,
    folder: str,
    changes: Mapping[str, bytes | None],
    message: str,
    author: Author,
    committer: Committer,
) -> Made:
    """A commit with these changes on `parent`; without a parent it is the first one."""
    new = MemoryObjectStore()
    base = cache.commit(parent.encode()).tree if parent else None
    tree = changed_tree(OverlayObjectStore([new, cache.objects], new), base, folder, changes)
    commit = None
    if tree == base:
        new = MemoryObjectStore()
    else:
        commit = _commit(tree, parent, message, author, committer)
        new.add_object(commit)

    def pack(_have: object, _want: object, **_: object) -> Any:
        return pack_objects_to_data([new[sha] for sha in new])

    return Made(commit.id.decode() if commit else None, new, pack)


def _commit(
    tree: bytes, parent: str | None, message: str, author: Author, committer: Committer
) -> Commit:
    commit = Commit()
    commit.tree = ObjectID(tree)
    commit.parents = [ObjectID(parent.encode())] if parent else []
    commit.author = author.line
    commit.committer = person(committer.name, committer.email)
    commit.author_time = commit.commit_time = int(author.moment.timestamp())
    commit.author_timezone = commit.commit_timezone = 0
    commit.encoding = b"UTF-8"
    commit.message = (message.strip() or "Update the model").encode(errors="replace") + b"\n"
    if committer.key is not None:
        commit.gpgsig = sign(commit.as_raw_string(), committer.key)
    return commit
