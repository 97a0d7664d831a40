"""Who asks: a token that a person made, one that a service principal fetches and renews, or that of
whoever signed in for themselves.

Tokens live in memory only.
Source: Databricks documentation, "Authorize service principal access to Databricks with OAuth".
"""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any, Final
from urllib.parse import urlencode

from dragoman.dialects.adapters.databricks.transport import Refused, Web
from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.user_grants import ACCESS_TOKEN, signs_in_a_person
from dragoman.secret import SecretStr

_PATH: Final = "/oidc/v1/token"
_EARLY_SECONDS: Final = 120.0
MACHINE: Final = "databricks-oauth-m2m"
USERS: Final = "databricks-oauth-user"


class Tokens:
    """Gives the Authorization header of the next request, to any thread."""

    def __init__(self, target: Target, web: Web, seconds: float) -> None:
        self._target = target
        self._web = web
        self._seconds = seconds
        self._machine = (
            target.text("authenticationType") == MACHINE
            or (not target.password.reveal() and target.text("authenticationType") != USERS)
            or bool(target.settings.get("useMachineAuth"))
        )
        self._token = target.password
        self._until = 0.0
        self._lock = threading.Lock()

    def authorization(self) -> str:
        """`Bearer …`. Raises `DatabaseFailure` (authentication), or what the web raises."""
        if signs_in_a_person(self._target):
            # A person's own: whoever keeps it sees to it that it holds.
            return f"Bearer {self._target.current().secrets[ACCESS_TOKEN].reveal()}"
        if not self._machine and not self._token.reveal():
            raise _nobody()
        with self._lock:
            if self._machine and time.monotonic() >= self._until:
                self._fetch()
            return f"Bearer {self._token.reveal()}"

    def _fetch(self) -> None:
        secret = self._target.secrets.get("oauthClientSecretUnencrypted", SecretStr(""))
        pair = f"{self._target.text('oauthClientId')}:{secret.reveal()}".encode()
        form = urlencode({"grant_type": "client_credentials", "scope": "all-apis"})
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        try:
            answer = self._web.post(_PATH, form.encode(), headers, self._seconds)
        except Refused as refused:
            raise _not_accepted(refused.status) from None
        token, seconds = _read(answer)
        self._token = SecretStr(token)
        self._until = time.monotonic() + max(seconds - _EARLY_SECONDS, seconds / 2)


def _read(answer: bytes) -> tuple[str, float]:
    try:
        said: dict[str, Any] = json.loads(answer)
        return str(said["access_token"]), float(said.get("expires_in", 3600))
    except (ValueError, KeyError, TypeError):
        raise DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.OTHER,
            "The host answers, but gives no token as a Databricks workspace does.",
            "Check the workspace's host; the account console is none.",
        ) from None


def _nobody() -> DatabaseFailure:
    return DatabaseFailure(
        Stage.SETTINGS,
        Cause.SETTINGS_INVALID,
        "There is nothing to sign in with: no token of a service account.",
        "Where nobody signs in for themselves, the catalog's refresh for one, it is needed: send "
        "it as passwordUnencrypted.",
    )


def _not_accepted(status: int) -> DatabaseFailure:
    if status in (400, 401, 403):
        return DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.AUTHENTICATION_FAILED,
            "The workspace did not accept this service principal.",
            "Check oauthClientId (the application id) and its secret, and that the service "
            "principal is a member of the workspace.",
            str(status),
        )
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.OTHER,
        f"The workspace gives no token (HTTP {status}).",
        "Check the workspace's host; the account console is none.",
        str(status),
    )
