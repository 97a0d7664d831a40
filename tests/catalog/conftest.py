"""A PostgreSQL database of a test's own, its connection, and a refresh that runs in this thread."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import psycopg
import pytest

from dragoman.access.principal import OPERATOR
from dragoman.catalog import refresh, service
from dragoman.catalog.layer import SchemaLayer
from dragoman.dialects.catalog import Table
from dragoman.dialects.postgres_session import PostgresSession
from dragoman.jobs import Context, Job
from dragoman.models import service as models
from dragoman.store import UnitOfWork
from tests.support import engines
from tests.support.engines import Engine
from tests.support.server import Server


class Inline(Context):
    """A job that runs where it is called. `writes` counts the units of work that changed rows of
    the catalog; `before_write` may fail, as a kill would."""

    def __init__(self, house: Any, subject: str) -> None:
        job = Job(
            "j", service.KIND, subject, subject, {}, "running", *[None] * 6, "now", None, None
        )
        super().__init__(house, job, "r", lambda _name, work: work())
        self.writes = 0
        self.stages: list[tuple[str, int | None, int | None]] = []
        self.before_write: Callable[[int], None] = lambda _: None

    def write(self, work: Callable[[UnitOfWork], Any]) -> Any:
        self.writes += 1
        self.before_write(self.writes)
        with self.house.store.begin() as unit:
            return work(unit)

    def progress(self, stage: str, done: int | None = None, total: int | None = None) -> None:
        self.stages.append((stage, done, total))


@dataclass
class Shop:
    """A server with a connection to a database that the test fills."""

    server: Server
    engine: Engine
    database: str
    id: str = ""
    jobs: list[Inline] = field(default_factory=list)

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.engine.url("postgresql", self.database), autocommit=True) as db:
            for statement in statements:
                db.execute(statement.encode())

    def connect(self, **settings: Any) -> str:
        engine = self.engine
        where = {"host": engine.host, "port": engine.port, "database": self.database}
        who = {"username": engine.username, "passwordUnencrypted": engine.password}
        self.id = self.server.create("postgres", **{**where, **who, **settings})
        return self.id

    def refresh(self, job: Inline | None = None, **arguments: Any) -> Mapping[str, Any]:
        job = job or Inline(self.server.house, self.id)
        self.jobs.append(job)
        return refresh.refresh(job, arguments)

    def layer(self, work: Callable[[SchemaLayer], Any], *schemas: str) -> Any:
        with self.server.house.store.look() as unit:
            return work(SchemaLayer(unit, self.id, schemas))

    def views(self, *schemas: str) -> list[str]:
        return sorted(self.layer(lambda layer: layer.view_names(), *schemas))

    def definition(self, view: str) -> Mapping[str, Any]:
        return self.layer(lambda layer: layer.view(view)).definition

    def joins(self) -> list[str]:
        found = self.layer(lambda layer: layer.relationships())
        return sorted(each["on_sql"] for each in found)

    def state(self) -> service.State:
        with self.server.house.store.look() as unit:
            return service.state(unit, self.id)

    def refresh_state(self) -> Any:
        answer = self.server.root.get(f"/api/v1/connections/{self.id}/refresh")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self) -> Any:
        """The state once no refresh is under way."""
        deadline = time.monotonic() + 60
        while (state := self.refresh_state())["status"] == "running":
            assert time.monotonic() < deadline, "the refresh does not end"
            time.sleep(0.05)
        return state

    def feed(self, tables: list[Table]) -> None:
        """As a refresh would, with these tables in place of a database's."""
        job = Inline(self.server.house, self.id)
        with mock.patch.object(PostgresSession, "catalog", return_value=iter(tables)):
            self.refresh(job)

    def write_files(self, model: str, files: Mapping[str, str]) -> None:
        with self.server.unit() as unit:
            models.save_files(unit, OPERATOR, model, files)


@pytest.fixture
def shop(server: Server, postgres_server: Engine) -> Iterator[Shop]:
    """On both kinds of store."""
    yield from _shop(server, postgres_server)


@pytest.fixture
def small_shop(sqlite_server: Server, postgres_server: Engine) -> Iterator[Shop]:
    """As `shop`, on SQLite only."""
    yield from _shop(sqlite_server, postgres_server)


def _shop(server: Server, engine: Engine) -> Iterator[Shop]:
    with a_shop(server, engine) as made:
        yield made


@contextlib.contextmanager
def a_shop(server: Server, engine: Engine) -> Iterator[Shop]:
    """A database of its own, gone afterwards."""
    name = f"shop_{uuid.uuid4().hex}"
    engines.create_database(engine, name)
    try:
        yield Shop(server, engine, name)
    finally:
        server.house.sessions.drop(())
        engines.drop_database(engine, name)
