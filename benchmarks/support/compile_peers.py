"""Other semantic compilers, each a child process, asked the equal question in turn with ours.

Each is installed by whoever wants the comparison, in an environment of its own: a variable of the
environment names it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "peers"
VARIABLES = {
    "sidemantic": "DRAGOMAN_BENCH_SIDEMANTIC",
    "metricflow": "DRAGOMAN_BENCH_METRICFLOW",
    "cube": "DRAGOMAN_BENCH_CUBE",
}
# What every peer can say: a star of seven views, all measures on the middle one.
QUESTION: dict[str, Any] = {
    "table": "v0",
    "join_paths_from_topic_name": "t",
    "fields": [
        *("v0.created_at[month]", "v1.d3", "v2.d3", "v3.d4"),
        *("v0.count", *(f"v0.m{n}" for n in range(9))),
    ],
    "filters": {
        "v4.d3": {"type": "string", "kind": "EQUALS", "values": ["a", "b"]},
        "v0.created_at": {
            "type": "date",
            "kind": "BETWEEN",
            "left_side": "2025-04-01",
            "right_side": "2026-04-01",
        },
        "v5.d0": {"type": "number", "kind": "GREATER_THAN", "values": [1]},
        "v6.d3": {"type": "string", "kind": "CONTAINS", "values": ["z"]},
        "v1.d2": {"type": "string", "kind": "EQUALS", "values": ["y"]},
    },
    "sorts": [{"column_name": "v0.m0", "sort_descending": True}],
    "limit": 1000,
}


@dataclass
class Peer:
    """A running peer. `name`: with its version."""

    name: str
    process: subprocess.Popen[str]

    def milliseconds(self, calls: int) -> float:
        """Processor time of one question, over so many."""
        return float(_told(self.process, str(calls)))


@contextmanager
def running() -> Iterator[tuple[list[Peer], list[str]]]:
    """The peers that the environment names; and a line for each that it does not."""
    left_out = [
        f"{peer}: {variable} does not say where it is"
        for peer, variable in VARIABLES.items()
        if variable not in os.environ
    ]
    with ExitStack() as stack:
        peers: list[Peer] = []
        for peer, variable in VARIABLES.items():
            if variable in os.environ:
                command = _command(peer, os.environ[variable])
                process = stack.enter_context(_process(command, os.environ[variable]))
                assert process.stdout is not None
                peers.append(Peer(process.stdout.readline().strip(), process))
        yield peers, left_out


def _command(peer: str, place: str) -> Sequence[str]:
    if peer == "cube":
        return ["node", str(SCRIPTS / "compile_cube.js")]
    return [place, str(SCRIPTS / f"compile_{peer}.py")]


@contextmanager
def _process(command: Sequence[str], place: str) -> Iterator[subprocess.Popen[str]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, env={**os.environ, "CUBE": place}, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def _told(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    print(line, file=process.stdin, flush=True)
    return process.stdout.readline()
