"""The log file in the home directory: lines are appended, and a full file makes room for a new one.

Several processes may share one file: a line is one write at its end, and whoever finds the file
renamed by another goes over to the new one.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MAX_BYTES = 20_000_000
OLDER_FILES = 3
# How much this process writes between two looks at the file.
_LOOK_BYTES = 200_000


class LogFile:
    """Appends lines to `path`; beside it `<path>.1` is the newest of the older files."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        """Open the file, for its owner only. Raises `OSError`."""
        self._path = path
        self._max_bytes = max_bytes
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = _open(path)
        self._unlooked = _LOOK_BYTES

    def write(self, line: bytes) -> None:
        """Append one line. A disk that is full stops nobody: the line is on stderr as well."""
        with contextlib.suppress(OSError):
            os.write(self._fd, line)
            self._unlooked += len(line)
            if self._unlooked > min(_LOOK_BYTES, self._max_bytes):
                self._unlooked = 0
                self._look()

    def close(self) -> None:
        """Close the file; nothing may be written afterwards."""
        os.close(self._fd)

    def _look(self) -> None:
        mine = os.fstat(self._fd)
        if self._is_current(mine):
            if mine.st_size <= self._max_bytes:
                return
            self._rename()
        fresh = _open(self._path)
        # In one step, since other threads write meanwhile.
        os.dup2(fresh, self._fd, inheritable=False)
        os.close(fresh)

    def _is_current(self, mine: os.stat_result) -> bool:
        try:
            return os.path.samestat(mine, os.stat(self._path))
        except FileNotFoundError:
            return False

    def _rename(self) -> None:
        for number in range(OLDER_FILES, 0, -1):
            newer = self._older(number - 1) if number > 1 else self._path
            with contextlib.suppress(FileNotFoundError):
                newer.replace(self._older(number))

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    return os.open(path, flags, mode=0o600)
