"""200,000 rows x 10 columns to Arrow: each dialect's session against its driver's own raw fetch."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

from support import dialects, report
from support.drivers import Raw, Seconds, drained
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
    session = subject.dialect.open_session(subject.target, subject.policy, subject.options())
    inner = subject.connect() if subject.dialect.declaration.isolated else session
    ours: list[Seconds] = []
    floor: list[Seconds] = []
    raw = case.raw(inner, rows)
    try:
        for number in range(rounds + 1):
            mine = _ours(session, sql, rows)
            session.reset()
            own = _raw(raw, sql)
            if number:  # the first round warms both up
                ours.append(mine)
                floor.append(own)
    finally:
        session.close()
        inner.close()
    first = report.ratios([each[0] for each in ours], [each[0] for each in floor])
    whole = report.ratios([each[1] for each in ours], [each[1] for each in floor])
    seconds = sorted(each[1] for each in floor)[len(floor) // 2]
    yield Figure(
        f"{name}: all rows / driver", whole, target=Target("<=", 1.15), note=f"{seconds:.2f} s"
    )
    yield Figure(f"{name}: first batch / driver's first row", first, target=Target("<=", 1.1))


def _ours(session: Any, sql: str, rows: int) -> Seconds:
    gc.collect()
    began = time.perf_counter()
    return drained(began, session.run(sql).batches, rows)


def _raw(raw: Raw, sql: str) -> Seconds:
    gc.collect()
    return raw(sql)


if __name__ == "__main__":
    report.main(measure)
