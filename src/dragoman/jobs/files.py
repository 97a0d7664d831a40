"""The jobs' own files beside a SQLite store, among them the lock of the process that runs jobs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from sqlalchemy import make_url

from dragoman.secret import SecretStr


def beside(store_url: SecretStr, suffix: str) -> Path:
    """The jobs' own file beside a SQLite store: dragoman.db -> dragoman-jobs.db."""
    store = Path(make_url(store_url.reveal()).database or "")
    return store.with_name(f"{store.stem}-jobs{suffix}")


class FileLock:
    """A lock that one process of a machine holds; the kernel frees it when the process ends.

    The file stays: removing it would let two processes hold the lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> bool:
        """Whether this process holds the lock now."""
        if self._file is not None:
            return True
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file = file
            return True
        os.close(file)
        return False

    def release(self) -> None:
        """Let another process have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
