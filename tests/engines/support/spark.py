"""Spark SQL for tests, whose SQL Databricks speaks: it says what our SQL for Databricks means.

It is not Databricks: neither its catalog, nor its protocol, nor Photon, its engine.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.engines import Engine, Unavailable
from tests.support.processes import die_with_parent

ENGINES = Path(__file__).parents[3] / ".engines"
PYTHON = ENGINES / "spark" / "bin" / "python"
# Spark 4 wants Java 17 or later; Trino's engine brings one.
JAVA = ENGINES / "trino" / "java"


class Refused(Exception):
    """Spark did not run the statement; its words."""


class Spark:
    """A running Spark."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a statement. Raises `Refused`."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(statement).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise Refused(answer["error"])
        return [tuple(map(_value, row)) for row in answer["rows"]]

    def table(self, name: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
        """A table of that name; `columns` as in CREATE TABLE, values as texts or numbers."""
        named = [column.strip().split(" ", 1) for column in _split(columns)]
        values = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
        typed = ", ".join(
            f"CAST(c{i} AS {_type(kind)}) AS {n}" for i, (n, kind) in enumerate(named)
        )
        positions = ", ".join(f"c{i}" for i in range(len(named)))
        self.rows(
            f"CREATE OR REPLACE TEMPORARY VIEW {name} AS"
            f" SELECT {typed} FROM VALUES {values} AS t({positions})"
        )


@contextlib.contextmanager
def run_spark(started: Callable[[Spark], None]) -> Generator[Engine]:
    """Runs Spark and hands it to `started` once it answers."""
    if not (PYTHON.parent.parent / ".lock").exists() or not (JAVA / "bin" / "java").exists():
        raise Unavailable("Spark or its Java is not installed (make engines)")
    with tempfile.TemporaryDirectory() as home:
        log = Path(home) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [PYTHON, Path(__file__).with_name("spark_child.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=home,
                env={
                    "JAVA_HOME": str(JAVA),
                    "PATH": "/usr/bin:/bin",
                    "SPARK_LOCAL_IP": "127.0.0.1",
                    "SPARK_LOCAL_DIRS": home,
                },
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call
            )
        try:
            spark = Spark(process)
            spark.rows("SELECT 1")
            started(spark)
            yield Engine("", 0, "", "", "")
        finally:
            assert process.stdin
            process.stdin.close()  # it stops its JVM by itself
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


_MADE: dict[str, Callable[[str], Any]] = {
    "Decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


def _value(told: Any) -> Any:
    return _MADE[told["type"]](told["text"]) if isinstance(told, dict) else told


def _split(columns: str) -> list[str]:
    """At commas outside of parentheses."""
    parts, depth = [""], 0
    for character in columns:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _type(declared: str) -> str:
    """As Databricks has it."""
    if declared.startswith("TIMESTAMP"):
        return "TIMESTAMP_NTZ"
    return "STRING" if declared.startswith("VARCHAR") else declared


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'"
