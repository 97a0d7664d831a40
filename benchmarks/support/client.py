"""The load generator: a process of its own, the same for both sides of a comparison.

It reads a plan as JSON from stdin and prints what it saw as JSON. Connections are kept alive.
Closed loop (`rate` 0): each connection sends its next request when the answer is there.
Open loop: requests fall due at a steady rate whatever the server does, and a latency counts from
the moment a request fell due, so that a stalled server cannot hide its queue.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import deque
from typing import Any

import msgspec
import uvloop

END = b"\r\n\r\n"
LENGTH = b"content-length:"
DRAIN_SECONDS = 30.0


class Plan(msgspec.Struct):
    """What to send and how. `rate`: requests a second, 0 for a closed loop."""

    port: int
    request: str
    seconds: float
    connections: int
    rate: float = 0.0


class Answers:
    """Finds where an HTTP/1.1 answer with a Content-Length ends. Raises for a failed request."""

    def __init__(self) -> None:
        self._buffer = b""
        self._size = 0

    def complete(self, data: bytes) -> bool:
        """Take what arrived; whether the answer is whole."""
        self._buffer = self._buffer + data if self._buffer else data
        if not self._size and not self._read_head():
            return False
        if len(self._buffer) < self._size:
            return False
        self._buffer, self._size = b"", 0
        return True

    def _read_head(self) -> bool:
        end = self._buffer.find(END)
        if end < 0:
            return False
        if self._buffer[9:10] != b"2":
            raise RuntimeError(f"the server answered {self._buffer[:600]!r}")
        head = self._buffer[:end].lower()
        value = head[head.index(LENGTH) + len(LENGTH) :].split(b"\r\n", 1)[0]
        self._size = end + len(END) + int(value)
        return True


class Connection(asyncio.Protocol):
    """One connection that is kept alive."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._answers = Answers()
        self._due = 0.0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, due: float) -> None:
        """Send the request that fell due then."""
        self._due = due
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        try:
            if self._answers.complete(data):
                self._run.answered(self, time.perf_counter() - self._due)
        except Exception as error:
            self._run.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.fail(exc or ConnectionError("the server closed the connection"))

    def close(self) -> None:
        """End it."""
        self._transport.close()


class Run:
    """One run over all connections."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.request = plan.request.encode()
        self.latencies: list[float] = []
        self._idle: deque[Connection] = deque()
        self._overdue: deque[float] = deque()
        self._open = 0
        self._stop = 0.0
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()

    async def go(self) -> None:
        """Connect, send, wait for the last answer."""
        made = [await self._connect() for _ in range(self.plan.connections)]
        began = time.perf_counter()
        self._stop = began + self.plan.seconds
        if self.plan.rate:
            self._idle.extend(made)
            await self._pace(began)
        else:
            self._open = len(made)
            for connection in made:
                connection.send(time.perf_counter())
        await asyncio.wait_for(self._done, self.plan.seconds + DRAIN_SECONDS)
        for connection in made:
            connection.close()

    def answered(self, connection: Connection, seconds: float) -> None:
        """An answer is whole; the connection is free."""
        self.latencies.append(seconds)
        self._open -= 1
        now = time.perf_counter()
        if self.plan.rate:
            self._answered_paced(connection)
        elif now < self._stop:
            self._open += 1
            connection.send(now)
        if self._open == 0 and now >= self._stop:
            self._finish()

    def fail(self, error: Exception) -> None:
        """Give up."""
        if not self._done.done():
            self._done.set_exception(error)

    def _answered_paced(self, connection: Connection) -> None:
        if self._overdue:
            connection.send(self._overdue.popleft())
        else:
            self._idle.append(connection)

    async def _pace(self, began: float) -> None:
        for number in range(int(self.plan.seconds * self.plan.rate)):
            due = began + number / self.plan.rate
            await asyncio.sleep(due - time.perf_counter())
            if self._done.done():
                return
            self._open += 1
            if self._idle:
                self._idle.popleft().send(due)
            else:
                self._overdue.append(due)
        self._stop = time.perf_counter()
        if self._open == 0:
            self._finish()

    async def _connect(self) -> Connection:
        _, connection = await self._loop.create_connection(
            lambda: Connection(self), "127.0.0.1", self.plan.port
        )
        return connection

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def run(plan: Plan) -> dict[str, float]:
    """Run a plan: requests a second, latencies in ms, the share of a core this process used."""
    going = Run(plan)
    began, used = time.perf_counter(), _processor()
    await going.go()
    seconds = time.perf_counter() - began
    ordered = sorted(going.latencies)
    return {
        "requests": len(ordered),
        "per_second": len(ordered) / seconds,
        "p50": _percentile(ordered, 0.5),
        "p99": _percentile(ordered, 0.99),
        "max": ordered[-1] * 1000,
        "busy": (_processor() - used) / seconds,
    }


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(asked))))
