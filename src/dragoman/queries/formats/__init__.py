"""Rows as bytes: Arrow IPC stream, CSV, JSON and NDJSON. Each format's rules are in its file.

Works without the server: `encode(schema, batches, FORMATS_BY_KEY["csv"])` is an iterator of bytes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.queries.formats.arrow import ArrowEncoder
from dragoman.queries.formats.csv import CsvEncoder
from dragoman.queries.formats.json import JsonEncoder, NdjsonEncoder


class Encoder(Protocol):
    """Writes one answer: the head, each batch in one or more pieces, the tail."""

    def head(self) -> bytes:
        """What stands before the first row."""
        ...

    def batch(self, batch: RecordBatch) -> Iterator[bytes]:
        """The rows of one batch."""
        ...

    def tail(self) -> bytes:
        """What stands after the last row."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """`names`: media types that ask for it. `media_type`: what the answer calls itself."""

    key: str
    media_type: str
    names: tuple[str, ...]
    encoder: Callable[[Schema], Encoder]


ARROW_STREAM = "application/vnd.apache.arrow.stream"
FORMATS = (
    Format("arrow", ARROW_STREAM, (ARROW_STREAM, "application/octet-stream"), ArrowEncoder),
    Format("csv", "text/csv; charset=utf-8; header=present", ("text/csv",), CsvEncoder),
    Format("json", "application/json", ("application/json",), JsonEncoder),
    Format(
        "ndjson", "application/x-ndjson", ("application/x-ndjson", "text/ndjson"), NdjsonEncoder
    ),
)
FORMATS_BY_KEY = {form.key: form for form in FORMATS}


# One core is left to the event loop: it waits for the interpreter behind everybody who encodes.
_AT_ONCE = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) - 1))


def encode(schema: Schema, batches: Iterable[RecordBatch], form: Format) -> Iterator[bytes]:
    """The answer in pieces, none of them empty.

    Nothing comes before the first batch is there, so that its errors can still be told properly.
    """
    encoder = form.encoder(schema)
    held = encoder.head()
    for batch in batches:
        pieces = encoder.batch(batch)
        while (piece := _written(pieces)) is not None:
            if held or piece:
                yield held + piece if held else piece
            held = b""
    last = held + encoder.tail()
    if last:
        yield last


def _written(pieces: Iterator[bytes]) -> bytes | None:
    """The next piece, made when it is its turn; None at the end."""
    with _AT_ONCE:
        return next(pieces, None)
