"""Questions over the facts, by a model whose view is written by hand; on PostgreSQL and DuckDB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support import postgres
from support.servers import Server

RUN = "/api/v1/query/run"
COLUMNS = (
    *("id", "customer_id", "quantity", "product", "region"),
    *("ordered_at", "shipped_on", "price", "returned", "note"),
)
LISTED = ", ".join(COLUMNS)
DUCKDB_FILE = "facts.duckdb"


def model(server: Server, connection: dict[str, Any], schema: str) -> str:
    """The id of a model over the facts of a new connection."""
    made = json.loads(server.call("POST", "/api/v1/connections", connection))
    shared = {"connectionId": made["data"], "modelKind": "SHARED", "modelName": connection["name"]}
    model_id = json.loads(server.call("POST", "/api/v1/models", shared))["model"]["id"]
    fields = "".join(f"  {name}: {{}}\n" for name in COLUMNS)
    text = f"table_name: {postgres.FACTS}\nschema: {schema}\ndimensions:\n{fields}"
    body = {"fileName": "facts.view", "yaml": text, "mode": "extension"}
    server.call("POST", f"/api/v1/models/{model_id}/yaml", body)
    return model_id


def question(model_id: str, rows: int, *, cache: str = "disabled", **more: Any) -> dict[str, Any]:
    """All columns of so many rows. `more`: beside the question, such as `resultType`."""
    query = {
        "modelId": model_id,
        "table": postgres.FACTS,
        "fields": [f"{postgres.FACTS}.{name}" for name in COLUMNS],
        "default_group_by": False,
        "limit": rows,
    }
    return {"query": query, "cache": cache, **more}


def make_duckdb(directory: Path, rows: int) -> dict[str, Any]:
    """A file with the rows that `postgres.make_rows` makes; the body of a connection to it."""
    import duckdb

    with duckdb.connect(str(directory / DUCKDB_FILE)) as connection:
        connection.execute(
            f"""CREATE TABLE {postgres.FACTS} AS SELECT
                i AS id,
                (i * 7919 % 100003)::int AS customer_id,
                (i % 977)::int AS quantity,
                'product ' || (i % 5000) AS product,
                ['north', 'south', 'east', 'west'][1 + i % 4] AS region,
                timestamp '2024-01-01' + to_seconds(i % 31536000) AS ordered_at,
                date '2024-01-01' + (i % 366)::int AS shipped_on,
                i * 0.37::double AS price,
                i % 3 = 0 AS returned,
                CASE WHEN i % 5 = 0 THEN 'note of order ' || i END AS note
            FROM range(1, {rows + 1}) AS t(i)"""
        )
    return {"dialect": "duckdb", "name": "Facts in a file", "database": DUCKDB_FILE}
