"""Writes which database answers which questions into docs/questions.md, between two marks.

    python -m scripts.question_docs            # writes
    python -m scripts.question_docs --check    # fails where the page is stale

Made of docs/dialects/questions.json, which `make conformance` records.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from scripts import marked

PAGE = Path(__file__).parents[1] / "docs" / "questions.md"
RECORD = PAGE.parent / "dialects" / "questions.json"
BEGIN, END = "<!-- matrix:begin -->", "<!-- matrix:end -->"
_AGAINST = {
    "postgres": ("PostgreSQL", "itself"),
    "databricks_lakebase": ("Databricks Lakebase", "PostgreSQL"),
    "redshift": ("Redshift", "PostgreSQL"),
    "mariadb": ("MariaDB", "itself"),
    "mysql": ("MySQL", "MariaDB"),
    "clickhouse": ("ClickHouse", "its engine (chdb)"),
    "trino": ("Trino", "itself"),
    "snowflake": ("Snowflake", "the emulator fakesnow"),
    "bigquery": ("BigQuery", "the emulator local-bigquery"),
    "mssql": ("SQL Server", "the emulator pysqlbridge"),
}


def main() -> int:
    """Rewrite the page, or with --check only compare; returns the exit code."""
    return marked.main(PAGE, current, "python -m scripts.question_docs")


def current(page: str) -> str:
    """The page with what the record says now."""
    recorded: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
    return marked.filled(page, BEGIN, END, _table(recorded))


def _table(recorded: dict[str, Any]) -> str:
    """A row for each kind of question and a column for each database: answered of asked."""
    order = [name for name in _AGAINST if name in recorded]
    asked: dict[str, list[str]] = {}
    for name in recorded[order[0]]["questions"]:
        asked.setdefault(_kind(name), []).append(name)
    reasons = list(dict.fromkeys(gap for name in order for gap in recorded[name]["gaps"].values()))
    lines = [
        "| Questions about | " + " | ".join(_AGAINST[name][0] for name in order) + " |",
        "| --- |" + " --- |" * len(order),
        "| *run on* | " + " | ".join(_AGAINST[name][1] for name in order) + " |",
    ]
    for kind, names in asked.items():
        cells = [_cell(names, recorded[each]["gaps"], reasons) for each in order]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    notes = [f"{n}. {reason[0].upper()}{reason[1:]}." for n, reason in enumerate(reasons, 1)]
    days = sorted({each["date"] for each in recorded.values()})
    return "\n".join([*lines, "", f"Recorded {days[-1]}.", "", *notes])


def _cell(names: list[str], gaps: dict[str, str], reasons: list[str]) -> str:
    missing = [gaps[name] for name in names if name in gaps]
    notes = ", ".join(str(reasons.index(gap) + 1) for gap in dict.fromkeys(missing))
    answered = f"{len(names) - len(missing)} of {len(names)}"
    return f"{answered} ({notes})" if notes else answered


def _kind(name: str) -> str:
    """`text filters 3` is one of the text filters; a time frame is named, not numbered."""
    if re.match(r"time frames [a-z]", name) and not re.search(r"\d$", name):
        return "time frames of readings"
    return re.sub(r" \d+$", "", name)


if __name__ == "__main__":
    sys.exit(main())
