"""The statements on the dialect pages make a user who can read and cannot write."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import psycopg
import pymysql
import pytest

from tests.support import engines
from tests.support.engines import Engine

PAGES = Path(__file__).parents[2] / "docs" / "dialects"


def statements(dialect: str) -> list[str]:
    """The statements of the page's first block of SQL."""
    found = re.search(r"```sql\n(.*?)```", (PAGES / f"{dialect}.md").read_text(), re.DOTALL)
    assert found is not None
    without_comments = re.sub(r"--.*", "", found[1])
    return [s.strip() for s in without_comments.split(";") if s.strip()]


@pytest.mark.engine("postgres")
def test_postgres(postgres_server: Engine) -> None:
    database = f"shop_{uuid.uuid4().hex}"
    engines.create_database(postgres_server, database)
    owner = psycopg.connect(postgres_server.url("postgresql", database), autocommit=True)
    try:
        owner.execute("CREATE TABLE before (id int)")
        for statement in statements("postgres"):
            owner.execute(statement.replace("DATABASE shop", f"DATABASE {database}"))
        owner.execute("CREATE TABLE after (id int)")
        reader = psycopg.connect(
            host=postgres_server.host,
            port=postgres_server.port,
            dbname=database,
            user="dragoman",
            password="choose-one",
            autocommit=True,
        )
        with reader:
            assert reader.execute("SELECT count(*) FROM before, after").fetchone() == (0,)
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                reader.execute("DELETE FROM before")
            reader.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute("DELETE FROM before")
        reader.close()
    finally:
        owner.execute("DROP OWNED BY dragoman")
        owner.execute("DROP ROLE dragoman")
        owner.close()
        engines.drop_database(postgres_server, database)


@pytest.mark.engine("mariadb")
def test_mariadb(mariadb_server: Engine) -> None:
    owner = pymysql.connect(
        host=mariadb_server.host,
        port=mariadb_server.port,
        user=mariadb_server.username,
        password=mariadb_server.password,
        autocommit=True,
    )
    cursor = owner.cursor()
    try:
        cursor.execute("CREATE DATABASE shop")
        cursor.execute("CREATE TABLE shop.orders (id int)")
        for statement in statements("mariadb"):
            cursor.execute(statement)
        reader = pymysql.connect(
            host=mariadb_server.host,
            port=mariadb_server.port,
            user="dragoman",
            password="choose-one",
            database="shop",
        )
        with reader, reader.cursor() as reading:
            reading.execute("SELECT count(*) FROM orders")
            assert reading.fetchone() == (0,)
            with pytest.raises(pymysql.err.OperationalError, match="denied"):
                reading.execute("DELETE FROM orders")
    finally:
        cursor.execute("DROP USER IF EXISTS 'dragoman'@'%'")
        cursor.execute("DROP DATABASE shop")
        owner.close()
