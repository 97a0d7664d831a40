"""200,000 rows x 10 columns to Arrow: each dialect's session against its driver's own raw fetch."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

from support import dialects, report
from support.drivers import Seconds, drained
from support.report import Figure, Finding, Options, Remark, Target

from tests.support.engines import Unavailable


def measure(options: Options) -> Iterator[Finding]:
    """All rows and the first batch, for every engine, emulator and stub at hand."""
    rows, rounds = options.pick((200_000, 5), (5_000, 1))
    with dialects.certificates() as (home, made):
        for name, start in dialects.CASES.items():
            if not options.wants(name):
                continue
            try:
                with start(home, made) as case:
                    yield from _compare(name, case, rows, rounds)
            except Unavailable as reason:
                yield Remark(f"{name}: not measured: {reason}")


def _compare(name: str, case: dialects.Case, rows: int, rounds: int) -> Iterator[Finding]:
    subject, sql = case.subject, case.statement(rows)
    # What the server opens: in a process of its own where the dialect says so.
    session = subject.dialect.open_session(subject.target, subject.network, subject.options())
    inner = subject.connect() if subject.dialect.declaration.isolated else session
    ours: list[tuple[float, ...]] = []
    floor: list[tuple[float, ...]] = []
    raw = case.raw(inner, rows)
    try:
        for number in range(rounds + 1):
            mine = _measured(lambda: _ours(session, sql, rows))
            session.reset()
            own = _measured(lambda: raw(sql))
            session.reset()
            if number:  # the first round warms both up
                ours.append(mine)
                floor.append(own)
    finally:
        session.close()
        inner.close()
    first, whole, work = (
        report.ratios([each[place] for each in ours], [each[place] for each in floor])
        for place in range(3)
    )
    seconds = sorted(each[1] for each in floor)[len(floor) // 2]
    yield Figure(
        f"{name}: all rows / driver", whole, target=Target("<=", 1.15), note=f"{seconds:.2f} s"
    )
    yield Figure(f"{name}: first batch / driver's first row", first, target=Target("<=", 1.1))
    if inner is session:
        yield Figure(f"{name}: all rows / driver, processor time here", work)


def _measured(fetch: Callable[[], Seconds]) -> tuple[float, ...]:
    """Seconds to the first row, to the last, and of processor time in this process."""
    gc.collect()
    used = time.process_time()
    first, whole = fetch()
    return first, whole, time.process_time() - used


def _ours(session: Any, sql: str, rows: int) -> Seconds:
    began = time.perf_counter()
    return drained(began, session.run(sql).batches, rows)


if __name__ == "__main__":
    report.main(measure)
