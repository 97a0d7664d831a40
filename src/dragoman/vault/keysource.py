"""Where the ring comes from: a value, a command or the key file; and how a change is noticed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dragoman.secret import SecretStr
from dragoman.vault.errors import KeyRingError
from dragoman.vault.keyfile import KEY_FILE_NAME, create_keyring, read_keyring
from dragoman.vault.keyring import KeyRing, parse_keyring

COMMAND_TIMEOUT_SECONDS = 10.0
COMMAND_PAUSE_SECONDS = 60.0

_FileState = tuple[int, int, int, int]


def load_keyring(*, home: Path, value: SecretStr | None, command: str | None) -> KeyRing:
    """The ring from `value`, else from the output of `command`, else from `home/keys.json`.

    A missing key file is made. Raises `KeyRingError`, also when both value and command are given.
    """
    if value is not None and command is not None:
        raise KeyRingError("Keys are given both by value and by command.", "keep one of the two.")
    if value is not None:
        return parse_keyring(value)
    if command is not None:
        return _run_command(command)
    return _read_or_create(home / KEY_FILE_NAME)


class KeyRingSource:
    """The ring of a running server; notices a rotated key file without a restart.

    Thread-safe. A re-read that fails leaves the last good ring in use and is kept in `problem`,
    so that an editing slip does not stop the server.
    """

    def __init__(
        self, *, home: Path, value: SecretStr | None = None, command: str | None = None
    ) -> None:
        """Loads the ring at once, as `load_keyring` does, and raises as it does."""
        self._path = home / KEY_FILE_NAME if value is None and command is None else None
        self._reload = _reloader(self._path, command)
        self._pause = 0.0 if command is None else COMMAND_PAUSE_SECONDS
        self._lock = threading.Lock()
        # Taken before the read, here as later: a write during it then shows at the next look.
        self._state = _file_state(self._path) if self._path else None
        self._ring = load_keyring(home=home, value=value, command=command)
        self._reloaded_at = time.monotonic()
        self.problem: KeyRingError | None = None

    def current(self) -> KeyRing:
        """The ring now in force. Costs one `stat` while the key file is unchanged."""
        if self._path is None or _file_state(self._path) == self._state:
            return self._ring
        with self._lock:
            self._read_again()
        return self._ring

    def refreshed(self) -> KeyRing:
        """The ring read again; asked for when a sealed value names a key the ring lacks.

        A command runs at most once in 60 seconds, so that bad values cannot make it run for each
        of them; it may take 10 seconds, so call this off the event loop.
        """
        with self._lock:
            if time.monotonic() - self._reloaded_at >= self._pause:
                self._read_again()
        return self._ring

    def _read_again(self) -> None:
        if self._reload is None:
            return
        state = _file_state(self._path) if self._path else None
        try:
            self._ring = self._reload()
            self.problem = None
        except KeyRingError as error:
            self.problem = error
        self._state = state
        self._reloaded_at = time.monotonic()


def _reloader(path: Path | None, command: str | None) -> Callable[[], KeyRing] | None:
    """How to read the ring again; a file that vanished is not made anew. None: it never changes."""
    if path is not None:
        return lambda: read_keyring(path)
    if command is not None:
        return lambda: _run_command(command)
    return None


def _read_or_create(path: Path) -> KeyRing:
    return read_keyring(path) if os.path.lexists(path) else create_keyring(path)


def _file_state(path: Path) -> _FileState | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _run_command(command: str) -> KeyRing:
    """Runs the command without a shell. Only the program's name is ever told, not its output."""
    try:
        arguments = shlex.split(command)
    except ValueError:
        arguments = []
    if not arguments:
        raise KeyRingError("The key command is empty or has an open quote.")
    name = arguments[0]
    # Raised out here and not where it is caught: the caught errors carry the output.
    output = _output_of(arguments)
    if isinstance(output, str):
        raise KeyRingError(f"The key command {name} {output}.", "run it by hand as this user.")
    return parse_keyring(SecretStr(output.decode(errors="replace")))


def _output_of(arguments: list[str]) -> bytes | str:
    """The standard output in bytes, or in text why there is none."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own setting, and no shell
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError):
        return "cannot be started"
    with process:
        try:
            output, _ = process.communicate(timeout=COMMAND_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            # The whole group: a child of the command would hold the pipe open.
            os.killpg(process.pid, signal.SIGKILL)
            return f"gave no answer in {COMMAND_TIMEOUT_SECONDS:.0f} seconds"
    return output if process.returncode == 0 else f"failed with exit code {process.returncode}"
