"""The whole server in this process, on a store and a home of its own."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from dragoman.access.principal import OPERATOR
from dragoman.app import Application, create_app
from dragoman.house import House
from dragoman.identity import service as identity
from dragoman.identity import tokens
from dragoman.secret import SecretStr
from dragoman.settings import Settings, load
from dragoman.store import UnitOfWork
from tests.support import stores
from tests.support.bodies import body
from tests.support.clients import Client

with warnings.catch_warnings():
    # Starlette names a successor of httpx that is not out yet.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

CONNECTIONS = "/api/v1/connections"
ENVIRONMENTS = "/api/v1/connection-environments"
MODELS = "/api/v1/models"


@dataclass
class Server:
    """A running server. Its clients speak to the ASGI application directly, no socket between."""

    app: Application
    http: TestClient
    address: str = "127.0.0.1"
    _keys: list[str] = field(default_factory=list)

    @property
    def house(self) -> House:
        return self.app.house

    @property
    def settings(self) -> Settings:
        return self.app.house.settings

    @property
    def home(self) -> Path:
        return self.settings.home

    def key(self, name: str = "root", expires: datetime | None = None) -> str:
        """The text of a new organization key."""
        return self._issue("organization", None, name, expires)[1]

    def personal(self, email: str, expires: datetime | None = None) -> str:
        """The text of a new personal token of a user."""
        return self._issue("personal", email, "laptop", expires)[1]

    def _issue(
        self, kind: Any, email: str | None, name: str, expires: datetime | None
    ) -> tuple[str, str]:
        with self.house.store.begin() as unit:
            user = identity.get_user(unit, email) if email else None
            made = tokens.issue(unit, OPERATOR, kind, user, name, expires)
        return made[0], made[1].reveal()

    def client(self, token: str | None) -> Client:
        """A client that sends this token."""
        return Client(self.http, token)

    @property
    def anonymous(self) -> Client:
        return self.client(None)

    @property
    def root(self) -> Client:
        """A client with an organization key, the same one each time."""
        if not self._keys:
            self._keys.append(self.key())
        return self.client(self._keys[0])

    def user(self, email: str, *, admin: bool = False) -> identity.User:
        with self.house.store.begin() as unit:
            return identity.create_user(unit, OPERATOR, email, admin=admin)

    def member(self, email: str, *, admin: bool = False, **roles: str) -> Client:
        """A client of a new user; `roles` maps connection ids to roles."""
        user = self.user(email, admin=admin)
        for connection_id, role in roles.items():
            self.grant(user, connection_id, role)
        return self.client(self.personal(email))

    def grant(self, user: identity.User, connection_id: str, role: str) -> None:
        with self.house.store.begin() as unit:
            identity.grant_role(unit, OPERATOR, user.id, connection_id, role)

    def custom_role(self, name: str, base: Any) -> None:
        with self.house.store.begin() as unit:
            identity.create_custom_role(unit, OPERATOR, name, base)

    def create(self, dialect: str = "postgres", **changes: Any) -> str:
        """A connection made through the API; its id."""
        answer = self.root.post(CONNECTIONS, json=body(dialect, **changes))
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    def show(self, connection_id: str) -> dict[str, Any]:
        answer = self.root.get(f"{CONNECTIONS}/{connection_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()["connection"]

    def sql(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of the store itself, behind the server's back."""
        with self.house.store.begin() as unit:
            found = unit.db.execute(text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    @contextlib.contextmanager
    def unit(self) -> Generator[UnitOfWork]:
        with self.house.store.begin() as unit:
            yield unit


def settings_for(home: Path, store_url: str | None = None, **changes: Any) -> Settings:
    """Settings of a test server: no limits, and no catalog read, unless a test asks for them."""
    free: dict[str, Any] = {
        "rate_limit_per_minute": 0,
        "login_failures_per_minute": 0,
        "build_schema_on_create": "off",
    }
    if store_url is not None:
        free["database_url"] = SecretStr(store_url)
    return load({}, home=home, **{**free, "log_level": "error", **changes})


@contextlib.contextmanager
def running_server(settings: Settings, address: str = "127.0.0.1") -> Generator[Server]:
    """A server with these settings, its lifespan run; requests come from `address`."""
    if not settings.database_url.reveal():
        stores.lay(settings.home / "dragoman.db")
    app = create_app(settings)
    with TestClient(
        app, "http://127.0.0.1:8000", client=(address, 50000), raise_server_exceptions=True
    ) as http:
        yield Server(app, http, address)
