"""A worker process: how it is started, watched, and ended.

What it learns goes over its sockets: its command line has two numbers and a directory, and of the
server's environment it gets a few harmless variables (the key ring's is not among them).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

MAX_WORKERS: Final = 64
_WATCH_SECONDS: Final = 0.5
# How long a worker may leave what it is sent unread.
_SEND_SECONDS: Final = 2.0
_KEPT: Final = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
)
_PROGRAM: Final = (
    "import sys; sys.path.insert(0, sys.argv[3])\n"
    "from dragoman.dialects.isolation.child import main; main()"
)
_ROOT: Final = str(Path(__file__).parents[3])
# A worker asks the kernel to be killed when the thread that started it ends, so all are started by
# one thread that ends with the server.
_STARTER: Final = ThreadPoolExecutor(1, thread_name_prefix="driver-starter")


class Worker:
    """One process, and the server's ends of its sockets.

    `control` is read, `outgoing` is written by one thread at a time, `door` is for dialling.

    `memory_bytes`: how much it may hold; then it is killed (Linux only).
    """

    def __init__(self, memory_bytes: int) -> None:
        """Raises `DatabaseFailure` when there are too many already, or none can be started."""
        self.reason: str | None = None
        self._memory = memory_bytes
        _WATCH.admit()
        try:
            self._start()
        except BaseException as error:
            _WATCH.leave()
            if isinstance(error, OSError):
                raise _not_started(error) from None
            raise
        _WATCH.begin(self)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def kill(self, reason: str | None = None) -> None:
        """End it at once; `reason` (the first one) is told to whoever waits for an answer."""
        self.reason = self.reason or reason
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self, seconds: float) -> None:
        """Hang up, wait so long for it to go by itself, then kill it."""
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        finally:
            _WATCH.forget(self)
            self._ours.close()

    def obituary(self) -> str:
        """Why it ended, in words; waits a moment for the kernel to say."""
        try:
            code = self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            return "it hung up"
        if self.reason is not None:
            return self.reason
        if code >= 0:
            return f"it left with code {code}"
        try:
            return f"it was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"it was ended by signal {-code}"

    def _start(self) -> None:
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            self.control, control = socket.socketpair()
            ours.enter_context(self.control)
            theirs.enter_context(control)
            self.door, door = socket.socketpair()
            ours.enter_context(self.door)
            theirs.enter_context(door)
            self.outgoing = ours.enter_context(self.control.dup())
            self.outgoing.settimeout(_SEND_SECONDS)
            self._process = _STARTER.submit(_spawn, control.fileno(), door.fileno()).result()
            self._ours = ours.pop_all()

    def look_at_memory(self) -> None:
        """Kill it when it holds too much."""
        held = _resident(self.pid)
        if held > self._memory:
            self.kill(f"it used more than {self._memory >> 20} MB of memory")


class _Watch:
    """Counts the workers, and looks at the memory of each now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starting = 0
        self._workers: set[Worker] = set()
        self._thread: threading.Thread | None = None

    def admit(self) -> None:
        with self._lock:
            if len(self._workers) + self._starting >= MAX_WORKERS:
                raise DatabaseFailure(
                    Stage.DRIVER,
                    Cause.TOO_MANY_CONNECTIONS,
                    f"{MAX_WORKERS} driver processes run already; try again later.",
                )
            self._starting += 1

    def leave(self) -> None:
        with self._lock:
            self._starting -= 1

    def begin(self, worker: Worker) -> None:
        with self._lock:
            self._starting -= 1
            self._workers.add(worker)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="driver-watch", daemon=True)
                self._thread.start()

    def forget(self, worker: Worker) -> None:
        with self._lock:
            self._workers.discard(worker)

    def _run(self) -> None:
        while True:
            time.sleep(_WATCH_SECONDS)
            with self._lock:
                workers = list(self._workers)
            for worker in workers:
                worker.look_at_memory()


_WATCH: Final = _Watch()


def _spawn(control: int, door: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - nothing on it comes from outside
        [sys.executable, "-I", "-c", _PROGRAM, str(control), str(door), _ROOT],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # A driver's last words may quote what it was given.
        stderr=subprocess.DEVNULL,
        pass_fds=(control, door),
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        # Ctrl-C is for the server, which ends its workers in order.
        start_new_session=True,
    )


def _resident(pid: int) -> int:
    """Bytes of memory that the process holds; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _not_started(error: OSError) -> DatabaseFailure:
    return DatabaseFailure(
        Stage.DRIVER,
        Cause.OTHER,
        f"The process for this driver could not be started: {error.strerror}.",
        "Look at the server's limits for processes, open files and memory.",
    )
