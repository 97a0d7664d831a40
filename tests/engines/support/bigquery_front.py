"""Starts local-bigquery offline, for tests of the BigQuery adapter.

    python bigquery_front.py DIRECTORY PORT GRPC_PORT

Runs in the environment that has local-bigquery, alone, with DIRECTORY as its home. Two things are
put right, since the emulator as it comes wants the network: the time zone is set by a statement,
and the extensions of DuckDB that it uses are copied from their wheels.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import duckdb

connect = duckdb.connect


def connect_offline(*given: Any, config: dict[str, Any] | None = None, **named: Any) -> Any:
    # One thread: it goes on with what was cancelled, and the tests want the other processors.
    settings = {**(config or {}), "threads": 1}
    zone = settings.pop("TimeZone", None)
    connection = connect(*given, config=settings, **named)
    if zone:
        connection.execute(f"SET TimeZone = '{zone}'")
    return connection


def main(directory: str, port: str, grpc_port: str) -> None:
    (platform,) = connect().execute("PRAGMA platform").fetchone() or ("",)
    for name in ("ducklake", "spatial"):
        found = importlib.util.find_spec(f"duckdb_extension_{name}")
        assert found is not None
        assert found.submodule_search_locations
        for extension in Path(found.submodule_search_locations[0]).rglob("*.duckdb_extension"):
            place = Path(directory, ".duckdb/extensions", extension.parent.name, platform)
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(extension, place)
    duckdb.connect = connect_offline
    from local_bigquery import cli

    data = Path(directory) / "data"
    data.mkdir()
    cli.main(
        [
            *("serve", "--host", "127.0.0.1", "--port", port, "--grpc-port", grpc_port),
            *("--project", "my-project", "--dataset", "shop", "--data-dir", str(data)),
        ]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
