"""A connection with a shared model, on both kinds of store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.models import service
from dragoman.models.service import Kind, Model, NewModel
from tests.support.server import Server


@dataclass(frozen=True)
class House:
    """The service, a unit of work for each call."""

    server: Server
    connection: str
    shared: str

    def save(self, changes: dict[str, str | None], model: str | None = None, **more: Any) -> int:
        with self.server.unit() as unit:
            return service.save_files(unit, OPERATOR, model or self.shared, changes, **more)

    def files(self, model: str | None = None) -> dict[str, str]:
        with self.server.unit() as unit:
            return service.files(unit, model or self.shared)

    def load(self, model: str) -> Model:
        with self.server.unit() as unit:
            found = service.load(unit, model)
        assert found is not None
        return found

    def branch(self, name: str, base: str | None = None) -> str:
        wanted = NewModel(self.connection, Kind.BRANCH, name, base or self.shared)
        with self.server.unit() as unit:
            return service.create(unit, OPERATOR, wanted).id

    def merge(self, branch: str, message: str = "") -> tuple[int, list[str]]:
        with self.server.unit() as unit:
            found = service.load(unit, branch)
            assert found is not None
            return service.merge_branch(unit, OPERATOR, found, message)

    def update(self, branch: str, prefer: Any = None) -> int:
        with self.server.unit() as unit:
            found = service.load(unit, branch)
            assert found is not None
            return service.update_branch(unit, OPERATOR, found, prefer)


@pytest.fixture
def house(shared_server: Server) -> House:
    return built(shared_server)


def built(server: Server) -> House:
    connection = server.create("postgres", name="Shop")
    with server.unit() as unit:
        made = service.create(unit, OPERATOR, NewModel(connection, Kind.SHARED, "Sales"))
    return House(server, connection, made.id)
