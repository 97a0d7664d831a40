"""The end of the demo: a model over the connection, and a question in fields with its SQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dragoman.cli.exits import CommandError

if TYPE_CHECKING:
    from dragoman.cli.demo_server import Client

MOST_PAUSE_SECONDS = 4.0
SCHEMA_SECONDS = 120.0
RELATIONSHIPS = """\
- join_from_view: orders
  join_to_view: customer
  relationship_type: many_to_one
  on_sql: ${orders.o_custkey} = ${customer.c_custkey}
- join_from_view: customer
  join_to_view: nation
  relationship_type: many_to_one
  on_sql: ${customer.c_nationkey} = ${nation.n_nationkey}
"""
ORDERS = """\
dimensions:
  o_orderkey:
    primary_key: true
measures:
  revenue:
    sql: ${o_totalprice}
    aggregate_type: sum
    format: usdcurrency_0
"""
FILES = {
    "relationships": RELATIONSHIPS,
    "orders.view": ORDERS,
    "customer.view": "dimensions:\n  c_custkey:\n    primary_key: true\n",
    "nation.view": "dimensions:\n  n_nationkey:\n    primary_key: true\n",
}
FIELDS = ["nation.n_name", "orders.count", "orders.revenue"]


def wait_for_schema(client: Client, connection_id: str) -> None:
    """Wait until the job that a new connection starts has read the database."""
    deadline, pause = time.monotonic() + SCHEMA_SECONDS, 0.2
    while time.monotonic() < deadline:
        if client.call("GET", f"/api/v1/connections/{connection_id}/catalog")["records"]:
            return
        time.sleep(pause)
        # More seldom with time: on a slow machine the rate limit of the server would end it.
        pause = min(pause * 1.5, MOST_PAUSE_SECONDS)
    raise CommandError("The schema of the database was not read in time.", "See server.log.")


def make_model(client: Client, connection_id: str) -> str:
    """A shared model with joins, keys and a measure; its id."""
    wanted = {"connectionId": connection_id, "modelKind": "SHARED", "modelName": "TPC-H"}
    model_id = str(client.call("POST", "/api/v1/models", wanted)["model"]["id"])
    for name, text in FILES.items():
        body = {"fileName": name, "yaml": text, "mode": "extension"}
        client.call("POST", f"/api/v1/models/{model_id}/yaml", body)
    return model_id


def ask(client: Client, model_id: str) -> tuple[str, list[dict[str, Any]]]:
    """The SQL of the question, and its rows."""
    query = {
        "modelId": model_id,
        "table": "orders",
        "fields": FIELDS,
        "sorts": [{"column_name": "orders.revenue", "sort_descending": True}],
        "limit": 8,
    }
    _, planned, _ = client.lines("/api/v1/query/run", {"query": query, "planOnly": True})
    rows = client.call("POST", "/api/v1/query/run", {"query": query, "resultType": "json"})
    return str(planned["summary"]["sql"]), rows
