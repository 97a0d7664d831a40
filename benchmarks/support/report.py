"""Figures of a benchmark: all rounds of one measure, their middle, and the target beside them."""

from __future__ import annotations

import argparse
import json
import operator
import os
import platform
import signal
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from tests.support.engines import Unavailable

_COMPARE = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True)
class Options:
    """How a benchmark was asked to run. A smoke run is small: it shows that all parts work."""

    smoke: bool = False
    only: tuple[str, ...] = ()

    def wants(self, name: str) -> bool:
        """Whether a part is measured: all are, unless some were named by how they begin."""
        return not self.only or name.startswith(self.only)

    def pick(self, full: Any, smoke: Any) -> Any:
        """The first in a full run, the second in a smoke run."""
        return smoke if self.smoke else full


@dataclass(frozen=True)
class Target:
    """The bound that a figure's median should keep, such as `>= 0.15`."""

    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"

    def met(self, value: float) -> bool:
        """Whether the value keeps the bound."""
        return _COMPARE[self.sign](value, self.bound)


@dataclass(frozen=True)
class Figure:
    """One measure: a value for each round. `unit` is `ratio`, `ms`, `s`, `MiB` and so on."""

    name: str
    rounds: Sequence[float]
    unit: str = "ratio"
    target: Target | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.rounds)

    def line(self) -> str:
        """One line of text for people."""
        low, middle, high = min(self.rounds), self.median, max(self.rounds)
        spread = f"[{_short(low)} .. {_short(high)}, {len(self.rounds)} rounds]"
        unit = "" if self.unit == "ratio" else self.unit
        parts = [f"{self.name:<58} {_short(middle):>9} {unit:<5} {spread:<28}"]
        if self.target:
            verdict = "met" if self.target.met(middle) else "MISSED"
            parts.append(f"target {self.target}: {verdict}")
        if self.note:
            parts.append(f"({self.note})")
        return "  ".join(parts).rstrip()

    def plain(self) -> dict[str, Any]:
        """The figure as JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "min": min(self.rounds),
            "median": self.median,
            "max": max(self.rounds),
            "rounds": list(self.rounds),
            "target": str(self.target) if self.target else None,
            "met": self.target.met(self.median) if self.target else None,
            "note": self.note or None,
        }


@dataclass(frozen=True)
class Remark:
    """A line of a report that is no figure."""

    text: str
    lines: Sequence[str] = ()


Finding = Figure | Remark
Measure = Callable[[Options], Iterable[Finding]]


def main(measure: Measure) -> None:
    """Run one benchmark as a command. Exits 1 on an error, never for a missed target."""
    name = os.path.basename(sys.argv[0]).removesuffix(".py")
    parser = argparse.ArgumentParser(prog=name, description=measure.__doc__)
    parser.add_argument("--smoke", action="store_true", help="small and quick: do all parts work?")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--only", nargs="+", default=[], help="parts that begin so, where it has any"
    )
    asked = parser.parse_args()
    # A terminated benchmark must leave its `with` blocks, which end its child processes.
    signal.signal(signal.SIGTERM, _terminated)
    findings = _available(measure(Options(asked.smoke, tuple(asked.only))))
    if asked.json:
        print(json.dumps(_document(name, asked.smoke, findings), indent=2))
    else:
        for finding in findings:
            print(*_lines(finding), sep="\n", flush=True)


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """The ratio of each round; both sides of a round ran one after the other."""
    return [a / b for a, b in zip(above, below, strict=True)]


def _available(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings; a machine without an engine is told so, and is no error."""
    try:
        yield from findings
    except Unavailable as reason:
        yield Remark(f"not measured: {reason}")


def _lines(finding: Finding) -> Iterator[str]:
    if isinstance(finding, Figure):
        yield finding.line()
    else:
        yield finding.text
        yield from (f"    {line}" for line in finding.lines)


def _document(name: str, smoke: bool, findings: Iterable[Finding]) -> dict[str, Any]:
    found = list(findings)
    return {
        "benchmark": name,
        "smoke": smoke,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "figures": [each.plain() for each in found if isinstance(each, Figure)],
        "remarks": [
            {"text": each.text, "lines": list(each.lines)}
            for each in found
            if isinstance(each, Remark)
        ],
    }


def _short(value: float) -> str:
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.1f}"


def _terminated(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)
