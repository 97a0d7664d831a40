"""Loads on a server, run by the load generator's process, with the server's own cost beside."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from support import ROOT
from support.children import cpu_seconds
from support.servers import Server

CLIENT = ROOT / "benchmarks" / "support" / "client.py"
# Above this share of a core the load generator itself may be what limits.
CLIENT_LIMIT = 0.9


@dataclass(frozen=True)
class Seen:
    """What a run saw. Latencies in ms; `cpu_us`: the server's processor time for a request."""

    requests: int
    per_second: float
    p50: float
    p99: float
    max: float
    busy: float
    cpu_us: float


def run(
    server: Server, request: bytes, *, seconds: float, connections: int, rate: float = 0.0
) -> Seen:
    """Send the request for so long. Raises `RuntimeError` with the client's own words."""
    plan = {
        "port": server.port,
        "request": request.decode(),
        "seconds": seconds,
        "connections": connections,
        "rate": rate,
    }
    before = cpu_seconds(server.pid)
    done = subprocess.run(
        [sys.executable, str(CLIENT)],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 60,
    )
    if done.returncode != 0:
        raise RuntimeError(f"load generator: {done.stderr[-2000:]}")
    seen = json.loads(done.stdout)
    used = cpu_seconds(server.pid) - before
    return Seen(**seen, cpu_us=used / seen["requests"] * 1e6)
