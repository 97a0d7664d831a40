"""The key file: where the ring lives when the operator names no other place.

The file is readable by its owner only, appears whole or not at all, and is made exactly once
however many processes start together.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from dragoman.secret import SecretStr
from dragoman.vault.errors import KeyRingError
from dragoman.vault.keyring import KeyRing, parse_keyring, render_keyring

KEY_FILE_NAME = "keys.json"
_OWNER_ONLY = 0o600
_LARGEST_FILE = 1 << 20


def read_keyring(path: Path) -> KeyRing:
    """Reads the key file. Raises `KeyRingError` when it is missing, unsafe or not a ring."""
    try:
        # Without O_NONBLOCK a named pipe in the file's place would hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyRingError(f"Cannot read the key file {path}: {error.strerror}.") from error
    try:
        # The open file is checked, not the name: the name could point elsewhere a moment later.
        _refuse_unsafe(path, os.fstat(descriptor))
        text = os.read(descriptor, _LARGEST_FILE).decode(errors="replace")
    finally:
        os.close(descriptor)
    return parse_keyring(SecretStr(text))


def create_keyring(path: Path) -> KeyRing:
    """Makes the key file with one fresh key, or reads the one that another process made first.

    The content is written beside the file and linked to its name; a link, like O_EXCL, fails when
    the name exists, and unlike it never shows a file half written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _written_beside(path, KeyRing.generate()) as temporary:
            os.link(temporary, path)
        _sync_directory(path.parent)
    except FileExistsError:
        pass
    except OSError as error:
        raise KeyRingError(
            f"Cannot make the key file {path}: {error.strerror}.",
            "keep the home on a writable local disk with hard links, "
            "or give the keys by value or by command.",
        ) from error
    return read_keyring(path)


def write_keyring(path: Path, ring: KeyRing) -> None:
    """Replaces the key file in one step (0600, fsync, rename).

    Use `update_keyring` to change a ring that others may change at the same time.
    """
    with _written_beside(path, ring) as temporary:
        temporary.replace(path)
    _sync_directory(path.parent)


def update_keyring(path: Path, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
    """Reads, changes and writes the key file under a lock, and returns the new ring.

    Two rotations at once would otherwise each keep only their own new key, and what was sealed by
    the other's would be lost.
    """
    with _locked(path):
        ring = change(read_keyring(path))
        write_keyring(path, ring)
    return ring


def _refuse_unsafe(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyRingError(f"The key file {path} is not a regular file.")
    if status.st_uid != os.geteuid():
        raise KeyRingError(
            f"The key file {path} belongs to user {status.st_uid}, not to user {os.geteuid()}.",
            f"chown {os.geteuid()} {shlex.quote(str(path))}",
        )
    if status.st_mode & 0o077:
        raise KeyRingError(
            f"The key file {path} has mode {stat.S_IMODE(status.st_mode):04o}: others may use it.",
            f"chmod 600 {shlex.quote(str(path))}",
        )


@contextmanager
def _written_beside(path: Path, ring: KeyRing) -> Generator[Path, None, None]:
    """A complete, synced temporary file in the same directory; removed if it is still there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, _OWNER_ONLY), "wb") as file:
            file.write(render_keyring(ring).reveal().encode())
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Generator[None, None, None]:
    """Holds the lock file beside the key file. The kernel frees it when the process dies."""
    lock = path.with_name(f".{path.name}.lock")
    with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
