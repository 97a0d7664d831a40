"""Tokens that a workspace makes for its PostgreSQL databases (Lakebase), for a service principal.

Two requests: the workspace gives the principal a token, and for that one a token for the database.
A third one before them, where only the database's host is known.

Source: Databricks REST API reference, "Database instances" (list; generate a database credential)
and "Postgres" (generate a database credential).
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from dragoman.dialects.adapters.clickhouse.door import Interrupted, pool_manager
from dragoman.dialects.adapters.databricks.token import Tokens
from dragoman.dialects.adapters.databricks.transport import Refused, TlsDoor, Web
from dragoman.dialects.base import Driver, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.minting import Minted
from dragoman.dialects.network import Network
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

_HTTP: Final = Driver("urllib3", "urllib3", "databricks_lakebase")
_INSTANCES: Final = "/api/2.0/database/instances"
_OF_INSTANCE: Final = "/api/2.0/database/credentials"
_OF_ENDPOINT: Final = "/api/2.0/postgres/credentials"
_PAGE: Final = 100
_MOST_PAGES: Final = 50
_SECONDS: Final = 3600.0  # what the documentation says of every token
_NAME_IT: Final = (
    "Name it in databaseInstance: an instance, or projects/…/branches/…/endpoints/…; and check "
    "that the service principal may use it."
)


@dataclass(frozen=True, slots=True)
class DatabaseToken:
    """Makes tokens for the target's database."""

    target: Target
    advice: str = (
        "Check that the service principal has a role in this database (databricks_create_role), "
        "and that username is absent or its client id."
    )

    def mint(self, network: Network, seconds: float) -> Minted:
        """See `Minter.mint`."""
        _HTTP.require()
        target = self.target
        with _asking(target, network, seconds) as api:
            instance = target.text("databaseInstance") or api.instance_of(target.host)
            told = api.credential(instance)
            username = target.username or target.text("oauthClientId")
            return Minted(username, SecretStr(str(told["token"])), _left(told))


class _Api:
    """The few requests to a workspace."""

    def __init__(self, web: Web, tokens: Tokens, seconds: float) -> None:
        self._web = web
        self._tokens = tokens
        self._seconds = seconds

    def instance_of(self, host: str) -> str:
        """The name of the instance that has this host. Raises `DatabaseFailure` if none has."""
        asked: dict[str, str] = {"page_size": str(_PAGE)}
        for _ in range(_MOST_PAGES):
            page = self._read(self._web.get(f"{_INSTANCES}?{urlencode(asked)}", *self._sign()))
            for each in page.get("database_instances", ()):
                if host.lower() in {each.get("read_write_dns"), each.get("read_only_dns")}:
                    return str(each["name"])
            if not (following := page.get("next_page_token")):
                break
            asked["page_token"] = str(following)
        raise DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.OBJECT_NOT_FOUND,
            f"No database instance that the workspace shows has the host {host}.",
            _NAME_IT,
        )

    def credential(self, instance: str) -> dict[str, Any]:
        """A token for an instance, or for an endpoint by its path."""
        if "/" in instance:
            path, body = _OF_ENDPOINT, {"endpoint": instance}
        else:
            path = _OF_INSTANCE
            body = {"instance_names": [instance], "request_id": str(uuid.uuid4())}
        return self._read(self._web.post(path, json.dumps(body).encode(), *self._sign()))

    def _sign(self) -> tuple[dict[str, str], float]:
        headers = {
            "Authorization": self._tokens.authorization(),
            "Content-Type": "application/json",
        }
        return headers, self._seconds

    @staticmethod
    def _read(answer: bytes) -> dict[str, Any]:
        return dict(json.loads(answer))


@contextlib.contextmanager
def _asking(target: Target, network: Network, seconds: float) -> Generator[_Api]:
    """Requests to the target's workspace; whatever goes wrong becomes `DatabaseFailure`."""
    host = target.text("workspaceHost")
    workspace = replace(target, settings={**target.settings, "host": host})
    door = TlsDoor(workspace, network, seconds)
    manager = pool_manager(door)
    web = Web(manager, host)
    try:
        with door.at_most(3 * seconds):
            yield _Api(web, Tokens(workspace, web, seconds), seconds)
    except DatabaseFailure:
        raise
    except Refused as refused:
        raise _not_given(refused, target) from None
    except Interrupted as error:
        cause = Cause.TIMEOUT if error.timed_out else Cause.CONNECTION_LOST
        message = "The workspace did not answer."
        raise DatabaseFailure(Stage.AUTHENTICATION, cause, message) from None
    except Exception:  # noqa: BLE001 - on a stranger's answer anything is raised
        raise DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.OTHER,
            "The host answers, but not as a Databricks workspace does.",
            "Check workspaceHost.",
        ) from None
    finally:
        manager.clear()
        door.hang_up()


def _not_given(refused: Refused, target: Target) -> DatabaseFailure:
    try:
        told: Any = json.loads(refused.body)
        said = str(told.get("message") or told.get("error_code") or "")
    except (ValueError, AttributeError):
        said = refused.reason
    said = tidy(said, target.secrets) or "no reason given"
    missing = refused.status == 404
    cause = Cause.OBJECT_NOT_FOUND if missing else Cause.PERMISSION_DENIED
    message = f"The workspace gives no token for the database: {said}."
    return DatabaseFailure(Stage.AUTHENTICATION, cause, message, _NAME_IT, str(refused.status))


def _left(told: dict[str, Any]) -> float:
    """How many seconds the token lasts, by the answer."""
    expires = told.get("expiration_time") or told.get("expire_time")
    if not expires:
        return _SECONDS
    return (datetime.fromisoformat(str(expires)) - datetime.now(UTC)).total_seconds()
