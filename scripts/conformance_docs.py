"""What the record of the conformance suite says, as Markdown: docs/dialects/conformance.json.

Nothing is claimed that is not in the record: a dialect without one has not been run.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from dragoman.dialects.base import Declaration
from dragoman.dialects.conformance import CHECKS, Status
from dragoman.dialects.explanations import EXPLANATIONS
from dragoman.dialects.features import MEANINGS

RECORD = Path(__file__).parents[1] / "docs" / "dialects" / "conformance.json"
_WORDS = {
    Status.PASSED: "yes",
    Status.DECLARED: "declared no",
    Status.GAP: "not shown",
    Status.SKIPPED: "not asked",
}
Rows = list[tuple[str, ...]]


def record() -> dict[str, dict[str, Any]]:
    """The recorded subjects by name."""
    return json.loads(RECORD.read_text("utf-8"))


def subjects_of(dialect: str) -> list[dict[str, Any]]:
    """The recorded runs of a dialect."""
    return [entry for entry in record().values() if entry["dialect"] == dialect]


def summary(dialect: str) -> str:
    """One cell: how many checks the best run passed."""
    found = max((_counted(entry) for entry in subjects_of(dialect)), default=None)
    if found is None:
        return "not run"
    passed, rest = found
    return f"{passed} of {len(CHECKS)} shown{rest}"


def lacking(declaration: Declaration) -> str:
    """What the dialect says no to."""
    lines = [f"- **{feature}**: {reason}" for feature, reason in declaration.lacks.items()]
    return "\n".join(lines) or "Nothing that the suite asks for."


def runs(declaration: Declaration) -> str:
    """The last recorded runs of a dialect, and what they showed."""
    if not declaration.live:
        return "This version does not dial it, so the suite has not been run."
    found = subjects_of(declaration.name)
    if not found:
        return (
            "The suite has not been run on this dialect: nothing at hand speaks its protocol. "
            f"[`dragoman conformance`](../conformance.md) runs it on your {declaration.label}."
        )
    places = "; ".join(f"{e['against']} ({e['proof']}), {e['date']}, {e['driver']}" for e in found)
    return f"Last run: {places}."


def run_table(declaration: Declaration) -> tuple[tuple[str, ...], Rows] | None:
    """Each check with what the runs showed; None where there was no run."""
    found = subjects_of(declaration.name)
    if not found:
        return None
    heads = ("Promise", *(_head(entry, found) for entry in found), "")
    rows: Rows = []
    for check in CHECKS:
        results = [entry["results"][check.name] for entry in found]
        cells = [_WORDS[Status(result[0])] for result in results]
        reasons = dict.fromkeys(result[1] for result in results if len(result) > 1)
        rows.append((check.promise, *cells, " ".join(_sentence(reason) for reason in reasons)))
    return heads, rows


def checks() -> tuple[tuple[str, ...], Rows]:
    """All checks of the suite."""
    rows = [
        (f"`{c.name}`", c.promise, MEANINGS.get(c.feature, "") if c.feature else "") for c in CHECKS
    ]
    return ("Check", "Promise", "May be declared missing as"), rows


def failures() -> tuple[tuple[str, ...], Rows]:
    """Every cause with the stage where it shows first, its meaning and the fix."""
    rows = [
        (e.stage.value, f"`{cause.value}`", e.means, e.fix) for cause, e in EXPLANATIONS.items()
    ]
    return ("Stage", "Cause", "What it means", "What to do"), rows


def listening(declared: list[Declaration]) -> tuple[tuple[str, ...], Rows]:
    """Where each kind of server says on which address it listens."""
    rows = [(d.label, d.listens[0].upper() + d.listens[1:]) for d in declared if d.listens]
    return ("Database", "When nothing answers on the port"), rows


def _counted(entry: dict[str, Any]) -> tuple[int, str]:
    counts = Counter(Status(result[0]) for result in entry["results"].values())
    told = [
        (counts[Status.DECLARED], "declared no"),
        (counts[Status.GAP], "not shown there"),
        (counts[Status.SKIPPED], "not asked"),
    ]
    rest = "".join(f", {number} {words}" for number, words in told if number)
    return counts[Status.PASSED], rest


def _head(entry: dict[str, Any], found: list[dict[str, Any]]) -> str:
    return "Shown" if len(found) == 1 else entry["against"]


def _sentence(reason: str) -> str:
    text = reason[0].upper() + reason[1:]
    return text if text.endswith(".") else f"{text}."
