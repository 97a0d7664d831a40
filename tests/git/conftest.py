from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman.access.principal import OPERATOR
from dragoman.models import service as models
from dragoman.models.service import Kind, Model, NewModel
from tests.support.certificates import Certificates
from tests.support.clients import Client
from tests.support.gitserver import TOKEN, Bare, HttpsServer, https_server
from tests.support.server import Server, running_server, settings_for

USERS = "dimensions:\n  id:\n    primary_key: true\n  name:\n    label: Name\n"
ORDERS = "label: Orders\n"


@dataclass
class Kept:
    """A shared model of a server, and its repository."""

    server: Server
    model: Model
    https: HttpsServer
    bare: Bare
    client: Client

    @property
    def path(self) -> str:
        return f"/api/v1/models/{self.model.id}/git"

    def configure(self, **changes: Any) -> dict[str, Any]:
        body = {
            "cloneUrl": self.https.url(),
            "authMethod": "https_token",
            "token": TOKEN,
            "modelPath": "m",
            **changes,
        }
        answer = self.client.post(self.path, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def save(self, files: dict[str, str | None], model: Model | None = None) -> None:
        with self.server.unit() as unit:
            models.save_files(unit, OPERATOR, (model or self.model).id, files, "by hand")

    def files(self, model: Model | None = None) -> dict[str, str]:
        with self.server.unit() as unit:
            return models.files(unit, (model or self.model).id)

    def branch(self, name: str) -> Model:
        with self.server.unit() as unit:
            wanted = NewModel(self.model.connection_id, Kind.BRANCH, name, self.model.id)
            return models.create(unit, OPERATOR, wanted)

    def sync(self, **body: Any) -> dict[str, Any]:
        answer = self.client.post(f"{self.path}/sync", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def commit(self, branch: Model, message: str = "A change", **body: Any) -> httpx.Response:
        sent = {"branch_id": branch.id, "commit_message": message, **body}
        return self.client.post(f"{self.path}/commit", json=sent)

    def in_git(self, branch: str = "main") -> dict[str, str]:
        found = self.bare.files(branch).items()
        return {n.removeprefix("omni/m/"): c.decode() for n, c in found if n.startswith("omni/m/")}

    def push(self, files: dict[str, str | None], branch: str = "main") -> str:
        contents = {f"omni/m/{n}": None if t is None else t.encode() for n, t in files.items()}
        return self.bare.commit(contents, branch, "Somebody else's")


def new_model(server: Server, name: str = "Sales") -> Model:
    connection = server.create(name=name)
    with server.unit() as unit:
        return models.create(unit, OPERATOR, NewModel(connection, Kind.SHARED, name))


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return Bare(tmp_path / "served" / "repo.git")


@pytest.fixture
def https(tmp_path: Path, bare: Bare, certificates: Certificates) -> Iterator[HttpsServer]:
    with https_server(tmp_path / "served", certificates.good) as server:
        yield server


@pytest.fixture
def gitted(tmp_path: Path, store_url: str, certificates: Certificates) -> Iterator[Server]:
    """A server that trusts the test's authority, on both kinds of store."""
    settings = settings_for(tmp_path / "home", store_url, tls_ca_file=str(certificates.ca_file))
    with running_server(settings) as server:
        yield server


@pytest.fixture
def kept(gitted: Server, https: HttpsServer, bare: Bare) -> Kept:
    return Kept(gitted, new_model(gitted), https, bare, gitted.root)


Make = Callable[..., Any]
