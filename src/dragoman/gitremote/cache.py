"""The objects of one repository that were fetched before, so that the next fetch sends less.

A bare object store in a folder of the home. It holds nothing that the remote does not: when it is
lost, damaged or grown too large it is thrown away and fetched again.
"""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from pathlib import Path
from typing import IO

from dulwich.object_store import DiskObjectStore, MemoryObjectStore
from dulwich.objects import Commit, ObjectID, Tag

from dragoman.gitremote.failures import missing, nonsense
from dragoman.gitremote.limits import Limits
from dragoman.gitremote.packs import check_pack
from dragoman.gitremote.trees import Incomplete

_TIPS = "tips"
_MAX_TIPS = 64
_MAX_PEEL = 5

# One conversation at a time uses a folder; another process may have it too, and then at worst
# fetches again.
_LOCKS: defaultdict[Path, threading.RLock] = defaultdict(threading.RLock)


class ObjectCache:
    """Opened for one conversation: `with cache:` keeps other threads out."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._lock = _LOCKS[path]
        self._opened: DiskObjectStore | None = None

    def __enter__(self) -> ObjectCache:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        self._lock.release()

    @property
    def objects(self) -> DiskObjectStore:
        """The object store, made when it is not there."""
        if self._opened is None:
            folder = self._path / "objects"
            if folder.is_dir():
                self._opened = DiskObjectStore(folder)
            else:
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.mkdir()
                self._opened = DiskObjectStore.init(folder)
        return self._opened

    def trim(self) -> None:
        """Throw it all away once it has grown too large or too scattered."""
        packs = list(self._path.glob("objects/pack/*.pack"))
        size = sum(pack.stat().st_size for pack in packs)
        if len(packs) > self._limits.cached_packs or size > self._limits.cached_bytes:
            self.clear()

    def clear(self) -> None:
        """Forget everything; the next fetch brings it again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        shutil.rmtree(self._path, ignore_errors=True)

    def tips(self) -> list[ObjectID]:
        """Commits that are here with their whole tree, newest last, without their parents."""
        try:
            lines = (self._path / _TIPS).read_bytes().split()
        except OSError:
            return []
        known = [ObjectID(line) for line in lines if len(line) == 40]
        return [sha for sha in known if sha in self.objects]

    def remember(self, commit: bytes) -> None:
        """This commit is here with its whole tree."""
        kept = [tip for tip in self.tips() if tip != commit][-_MAX_TIPS + 1 :]
        part = self._path / f"{_TIPS}.part"
        part.write_bytes(b"\n".join([*kept, commit]) + b"\n")
        part.replace(self._path / _TIPS)

    def take_pack(self, file: IO[bytes]) -> None:
        """Add a received pack, after a look at what it would unpack to."""
        file.seek(0)
        check_pack(file, self._limits)
        file.seek(0)
        self.objects.add_thin_pack(file.read, None)

    def take_objects(self, made: MemoryObjectStore) -> None:
        """Add objects that the remote has accepted."""
        self.objects.add_objects([(made[sha], None) for sha in made])

    def commit(self, sha: bytes) -> Commit:
        """The commit of this id, through tags. Raises `Incomplete` or `GitFailure`."""
        for _ in range(_MAX_PEEL):
            try:
                found = self.objects[ObjectID(sha)]
            except KeyError:
                raise Incomplete from None
            if isinstance(found, Commit):
                return found
            if not isinstance(found, Tag):
                raise missing("That reference is no commit.")
            sha = found.object[1]
        raise nonsense("A tag of the repository leads to too many others.")
