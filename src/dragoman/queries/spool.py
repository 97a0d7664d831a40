"""A whole answer as an Arrow IPC stream in a file: written once, read by as many as wait for it.

Memory stays flat whatever the size; the file's size is bounded.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dragoman.dialects.arrow import pyarrow
from dragoman.dialects.base import Rows
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.queries.formats import FORMATS_BY_KEY, encode

# A multiple of three: pieces of base64 can be put one after the other.
PIECE = 3 * 256 * 1024


@dataclass(frozen=True, slots=True)
class Spooled:
    """A result on disk. `rows` and `bytes` count it."""

    path: Path
    rows: int
    bytes: int

    def pieces(self) -> Iterator[bytes]:
        """The stream, a piece at a time."""
        with self.path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def base64(self) -> Iterator[bytes]:
        """The stream in base64, a piece at a time."""
        return map(base64.b64encode, self.pieces())

    def metadata(self) -> Mapping[bytes, bytes]:
        """What the answer's schema tells besides its columns."""
        pa = pyarrow()
        with self.path.open("rb") as file, pa.ipc.open_stream(file) as stream:
            return dict(stream.schema.metadata or {})

    def table(self) -> Any:
        """The answer as an Arrow table over the file, which is not read before it is used."""
        pa: Any = pyarrow()
        return pa.ipc.open_stream(pa.memory_map(str(self.path))).read_all()

    def remove(self) -> None:
        """Delete the file; harmless when it is gone."""
        self.path.unlink(missing_ok=True)


def spool(rows: Rows, directory: Path, most_bytes: int) -> Spooled:
    """Write an answer to a file of the directory.

    Raises `DatabaseFailure` for one that is larger than `most_bytes`, and as the rows do; then no
    file is left.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="result-", suffix=".arrow", dir=directory)
    path, count, size = Path(name), 0, 0
    try:
        with os.fdopen(handle, "wb") as file:
            counted = _Counted(rows)
            for piece in encode(rows.schema, counted, FORMATS_BY_KEY["arrow"]):
                size += len(piece)
                if size > most_bytes:
                    raise _too_large(most_bytes)
                file.write(piece)
            count = counted.rows
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Spooled(path, count, size)


class _Counted:
    def __init__(self, rows: Rows) -> None:
        self.rows = 0
        self._batches = rows.batches

    def __iter__(self) -> Iterator[object]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def _too_large(most_bytes: int) -> DatabaseFailure:
    return DatabaseFailure(
        Stage.QUERY,
        Cause.TOO_LARGE,
        f"The answer is larger than {most_bytes // 1_000_000} MB.",
        fix="Set a limit, ask for fewer fields, or raise DRAGOMAN_MAX_RESULT_MB.",
    )
