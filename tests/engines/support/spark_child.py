"""Spark SQL in a process of its own: a statement a line as JSON on stdin, its rows so on stdout.

    python spark_child.py < statements > answers        (the Python of .engines/spark)

As Databricks SQL: ANSI rules, a session in UTC. Everything stays on 127.0.0.1 and in memory.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

SETTINGS = {
    "spark.master": "local[1]",
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "512m",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    # Compiling Java for each of these small statements takes longer than running it.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.catalogImplementation": "in-memory",
}


def main() -> None:
    """Until stdin ends."""
    # The JVM writes to the first output, too: answers have one of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    for line in sys.stdin:
        try:
            rows = session.sql(json.loads(line)).collect()
            answer = {"rows": [[plain(value) for value in row] for row in rows]}
        except Exception as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), file=answers, flush=True)
    session.stop()


def plain(value: Any) -> Any:
    """What JSON has no type for as the names of its type and its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return {"type": type(value).__name__, "text": str(value)}


main()
