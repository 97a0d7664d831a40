"""Reads a pack before anything else does: no object larger than allowed, inflated or patched.

A pack of a megabyte can say that it inflates, or patches itself, to terabytes. dulwich inflates no
further than an object's own header says, and patches no further than the delta's, so these are
what is checked, object by object, with nothing kept. Source: gitformat-pack(5).
"""

from __future__ import annotations

import zlib
from typing import IO

from dragoman.gitremote.failures import nonsense, too_large
from dragoman.gitremote.limits import MEGABYTE, Limits

_CHUNK = 65536
_OFS_DELTA, _REF_DELTA = 6, 7
_HASH_BYTES = 20
_DELTA_HEAD = 20  # two numbers of at most ten bytes


def check_pack(file: IO[bytes], limits: Limits) -> int:
    """Reads the pack in `file` from where it stands; returns the number of objects.

    Raises `GitFailure` for a pack that is broken or past the limits.
    """
    reader = _Reader(file)
    head = reader.take(12)
    if head[:4] != b"PACK" or int.from_bytes(head[4:8], "big") not in (2, 3):
        raise _broken()
    count = int.from_bytes(head[8:12], "big")
    if count > limits.objects:
        raise too_large("the number of objects", str(limits.objects))
    inflated = 0
    for _ in range(count):
        inflated += _check_object(reader, limits)
        if inflated > limits.inflated_bytes:
            raise too_large("all of it unpacked", f"{limits.inflated_bytes // MEGABYTE} MB")
    return count


def _check_object(reader: _Reader, limits: Limits) -> int:
    kind, size = _object_head(reader)
    if size > limits.object_bytes:
        raise _object_too_large(limits)
    if kind == _REF_DELTA:
        reader.take(_HASH_BYTES)
    elif kind == _OFS_DELTA:
        while reader.byte() & 0x80:
            pass
    elif kind not in (1, 2, 3, 4):
        raise _broken()
    head = _inflate(reader, size)
    if kind not in (_OFS_DELTA, _REF_DELTA):
        return size
    result = _delta_result(head)
    if result > limits.object_bytes:
        raise _object_too_large(limits)
    return size + result


def _object_head(reader: _Reader) -> tuple[int, int]:
    byte = reader.byte()
    kind, size, shift = (byte >> 4) & 7, byte & 15, 4
    while byte & 0x80:
        byte = reader.byte()
        size |= (byte & 0x7F) << shift
        shift += 7
        if shift > 64:
            raise _broken()
    return kind, size


def _inflate(reader: _Reader, size: int) -> bytes:
    """The first bytes of an object; all of it is inflated, and must have the size it said."""
    stream = zlib.decompressobj()
    head, got = b"", 0
    try:
        while not stream.eof:
            part = stream.decompress(stream.unconsumed_tail or reader.some(), _CHUNK)
            got += len(part)
            if got > size:
                raise _broken()
            head = (head + part)[:_DELTA_HEAD] if len(head) < _DELTA_HEAD else head
    except zlib.error:
        raise _broken() from None
    if got != size:
        raise _broken()
    reader.unread(stream.unused_data)
    return head


def _delta_result(head: bytes) -> int:
    """The second number of a delta: the size of what it makes."""
    _, place = _number(head, 0)
    return _number(head, place)[0]


def _number(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, place
    raise _broken()


class _Reader:
    """Bytes of a file, with those that zlib did not want put back."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._buffer = b""
        self._place = 0

    def some(self) -> bytes:
        """What is buffered, or the next chunk; never empty."""
        if self._place == len(self._buffer):
            self._fill()
        part = self._buffer[self._place :]
        self._place = len(self._buffer)
        return part

    def unread(self, data: bytes) -> None:
        """The last bytes of what `some` gave are to be read again."""
        self._place -= len(data)

    def byte(self) -> int:
        """The next byte."""
        if self._place == len(self._buffer):
            self._fill()
        self._place += 1
        return self._buffer[self._place - 1]

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        return bytes(self.byte() for _ in range(size))

    def _fill(self) -> None:
        self._buffer, self._place = self._file.read(_CHUNK), 0
        if not self._buffer:
            raise _broken()


def _object_too_large(limits: Limits) -> Exception:
    return too_large("one file", f"{limits.object_bytes // MEGABYTE} MB")


def _broken() -> Exception:
    return nonsense("The git server sent a pack that is damaged or incomplete.")
