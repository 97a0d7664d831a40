"""Answers in Arrow: read and thrown away, here and through a server, and what the server holds."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from support import servers
from support.children import memory
from support.report import Figure, Target

ARROW = "application/vnd.apache.arrow.stream"
# What a server's memory may grow by from a small answer to a large one.
FLAT_MIB = 32.0


def drain(reader: Any, rows: int, began: float) -> tuple[float, float]:
    """Seconds to the last and to the first batch, the batches thrown away."""
    first, count = 0.0, 0
    for batch in reader:
        first = first or time.perf_counter() - began
        count += batch.num_rows
    if count != rows:
        raise RuntimeError(f"{count} rows came of {rows}")
    return time.perf_counter() - began, first


def in_process(pooled: Any, sql: str, rows: int) -> float:
    """Seconds of a statement by ADBC on an open connection, without a server."""
    gc.collect()
    began = time.perf_counter()
    with pooled.cursor() as cursor:
        cursor.execute(sql)
        with cursor.fetch_record_batch() as reader:
            return drain(reader, rows, began)[0]


def peak(
    home: Path, token: str, ask: Callable[[servers.Server, int], object], rows: int
) -> tuple[float, float]:
    """MiB of a server before an answer, and what its peak was above that.

    A server of its own: a peak stays what it was. The small answer first has it load the driver and
    Arrow."""
    with servers.dragoman(home, token) as server:
        ask(server, 1000)
        before = memory(server.pid, "VmRSS")
        ask(server, rows)
        return before, memory(server.pid, "VmHWM") - before


def growth(what: str, grown: Mapping[int, float]) -> Figure:
    """The peak of the largest answer over that of the smallest. `grown`: MiB by rows."""
    least, most = min(grown), max(grown)
    name = f"{what}, {most:,} rows over {least:,}"
    return Figure(name, [grown[most] - grown[least]], "MiB", Target("<", FLAT_MIB))
