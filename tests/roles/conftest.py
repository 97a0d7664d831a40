"""A connection with two shared models, a branch and an extension, and people without roles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.models import service as models
from dragoman.models.service import Kind, NewModel
from tests.support.clients import Client
from tests.support.server import Server, running_server, settings_for


@dataclass
class Place:
    server: Server
    connection: str
    model: str
    other: str
    branch: str
    count: int = 0

    @property
    def root(self) -> Client:
        return self.server.root

    def person(self) -> tuple[str, Client]:
        """A new user: the id, and a client of theirs."""
        self.count += 1
        client = self.server.member(f"p{self.count}@example.com")
        with self.server.unit() as unit:
            user = identity.get_user(unit, f"p{self.count}@example.com")
        return user.id, client

    def group(self, *members: str) -> str:
        """The short id of a new group."""
        self.count += 1
        with self.server.unit() as unit:
            return identity.create_group(unit, OPERATOR, f"g{self.count}", members).mini_id

    def give(self, user: str, role: str, **where: str) -> Any:
        path = f"/api/v1/users/{user}/model-roles"
        answer = self.root.post(path, json={"roleName": role, **where})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def roles(self, user: str, **where: str) -> list[dict[str, Any]]:
        answer = self.root.get(f"/api/v1/users/{user}/model-roles", params=where)
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home: Path = tmp_path_factory.mktemp("roles") / "home"
    with running_server(settings_for(home)) as server:
        connection = server.create("postgres", baseRole="NO_ACCESS")
        with server.unit() as unit:
            model = models.create(unit, OPERATOR, NewModel(connection, Kind.SHARED, "A")).id
            other = models.create(unit, OPERATOR, NewModel(connection, Kind.SHARED, "B")).id
            wanted = NewModel(connection, Kind.BRANCH, "b", model)
            branch = models.create(unit, OPERATOR, wanted).id
        yield Place(server, connection, model, other, branch)
