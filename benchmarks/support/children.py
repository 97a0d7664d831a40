"""Child processes of a benchmark: ended by pid when their block ends, however it ends."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

STOP_SECONDS = 20.0
PR_SET_PDEATHSIG = 1
# Looked up before a fork; there is none outside Linux.
_PRCTL: Any = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Generator[subprocess.Popen[str]]:
    """A child with pipes at stdin and stdout; its stderr goes to the log."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=dict(environment) if environment is not None else None,
            cwd=directory,
            preexec_fn=_die_with_parent if _PRCTL else None,  # noqa: PLW1509 - one system call
        )
    try:
        yield process
    finally:
        _stop(process)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, its children's not included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # not Linux, or gone
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, what: str) -> float:
    """`VmRSS` (now) or `VmHWM` (peak) of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


def _die_with_parent() -> None:
    """A benchmark that is killed leaves no server behind (Linux only)."""
    _PRCTL(PR_SET_PDEATHSIG, int(signal.SIGTERM))


def _stop(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
