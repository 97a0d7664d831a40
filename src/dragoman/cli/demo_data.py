"""TPC-H data for the demo: made by tpchgen-cli as Parquet, loaded into DuckDB or PostgreSQL."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

from dragoman.cli.exits import CommandError

if TYPE_CHECKING:
    from dragoman.cli.demo_postgres import Postgres

SCALE = "0.01"
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")


def generate(directory: Path, scale: str = SCALE) -> dict[str, Path]:
    """The eight tables as Parquet files, by table name."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [_program(), "parquet", "--quiet", "--overwrite"]
    command += ["--scale-factor", scale, "--output-dir", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise CommandError(f"tpchgen-cli failed: {done.stderr.strip()[-500:]}")
    return {name: directory / f"{name}.parquet" for name in TABLES}


def load_duckdb(files: dict[str, Path], database: Path) -> None:
    """A DuckDB file with one table for each Parquet file."""
    import duckdb

    connection = duckdb.connect(str(database))
    try:
        for name, file in files.items():
            connection.execute(f"CREATE TABLE {name} AS FROM read_parquet(?)", [str(file)])
    finally:
        connection.close()


def load_postgres(files: dict[str, Path], server: Postgres) -> Postgres:
    """The tables in the server's database, by COPY; returns the sign-in of a reader of them."""
    import psycopg
    from psycopg import sql

    reader = replace(server, username="reader", password=secrets.token_urlsafe(18))
    with psycopg.connect(server.url()) as connection:
        for name, file in files.items():
            _copy(connection, name, file)
        connection.execute(
            sql.SQL("CREATE ROLE reader LOGIN PASSWORD {}").format(sql.Literal(reader.password))
        )
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("ANALYZE")
    return reader


def _copy(connection: Any, name: str, file: Path) -> None:
    """One table through DuckDB's CSV writer and COPY; the types come from the Parquet file."""
    import duckdb
    from psycopg import sql

    source = duckdb.connect()
    try:
        described = source.execute("DESCRIBE FROM read_parquet(?)", [str(file)]).fetchall()
        text = file.with_suffix(".csv")
        source.execute(
            f"COPY (FROM read_parquet('{_quoted(file)}')) TO '{_quoted(text)}' (HEADER false)"
        )
    finally:
        source.close()
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(row[0]), sql.SQL(_postgres_type(row[1])))
        for row in described
    )
    table = sql.Identifier(name)
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, columns))
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(table)
    with connection.cursor().copy(statement) as copy, text.open("rb") as stream:
        while part := stream.read(1 << 18):
            copy.write(part)
    text.unlink()


def _postgres_type(duckdb_type: LiteralString) -> LiteralString:
    """TPC-H has whole numbers, decimals, dates and texts; all but texts have one name in both."""
    return "text" if duckdb_type == "VARCHAR" else duckdb_type


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _program() -> str:
    """tpchgen-cli of the same environment, else of the path."""
    found = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent))
    found = found or shutil.which("tpchgen-cli")
    if found is None:
        from dragoman.cli.demo import missing

        raise missing("tpchgen-cli")
    return found
