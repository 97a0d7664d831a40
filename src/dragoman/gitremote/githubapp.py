"""GitHub Apps: an installation's token, bought with a statement signed by the App's private key.

Source: GitHub's documentation, "Generating an installation access token for a GitHub App" and
"Generating a JSON Web Token (JWT) for a GitHub App". A token lasts an hour and is made for each
conversation, for one repository and for its contents only.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from dragoman import __version__
from dragoman.dialects.network import Network
from dragoman.gitremote.address import RepositoryAddress
from dragoman.gitremote.failures import (
    GitFailure,
    forbidden,
    invalid,
    lost,
    missing,
    nonsense,
    quoted,
    refused,
    silent,
)
from dragoman.gitremote.keys import LEAST_RSA_BITS
from dragoman.gitremote.limits import Limits
from dragoman.gitremote.wire import Budget, dial_tls, hang_up
from dragoman.secret import SecretStr

_VERSION = "2022-11-28"
_EARLIER = timedelta(seconds=60)  # clocks differ
_LASTS = timedelta(minutes=9)  # GitHub takes ten at most
_MOST = 64 * 1024  # bytes of an answer


@dataclass(frozen=True, slots=True)
class Installation:
    """An App, and where it is installed: both numbers as GitHub shows them."""

    app_id: str
    installation_id: str


def check_key(key: SecretStr) -> None:
    """Raise `GitFailure` (settings) unless it is a private key as GitHub makes them: RSA, PEM."""
    _load(key)


def installation_token(
    network: Network,
    repository: RepositoryAddress,
    installation: Installation,
    key: SecretStr,
    moment: datetime,
    *,
    write: bool,
    limits: Limits | None = None,
) -> SecretStr:
    """A token for one repository. Blocks; raises `GitFailure`."""
    api = api_of(repository)
    name = repository.path.strip("/").removesuffix(".git").rpartition("/")[2]
    wanted = {"repositories": [name], "permissions": {"contents": "write" if write else "read"}}
    path = f"{api.path}/app/installations/{installation.installation_id}/access_tokens"
    statement = _statement(installation.app_id, key, moment)
    status, answer = _post(network, api, path, statement, wanted, limits or Limits())
    token = answer.get("token")
    if status == 201 and isinstance(token, str) and token.isascii() and token.isprintable():
        return SecretStr(token)
    raise _refusal(status, answer, name)


def api_of(repository: RepositoryAddress) -> RepositoryAddress:
    """Where the API of a repository's host is: github.com, ghe.com, or a server of one's own."""
    host = repository.host.lower()
    if host == "github.com":
        return RepositoryAddress("https", "", "api.github.com", 443, "")
    if host.endswith(".ghe.com"):
        return RepositoryAddress("https", "", f"api.{host}", 443, "")
    return RepositoryAddress("https", "", repository.host, repository.port, "/api/v3")


def _statement(app_id: str, key: SecretStr, moment: datetime) -> SecretStr:
    """A JSON Web Token by RS256 (RFC 7519, RFC 7518 3.3)."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    claims = {
        "iat": int((moment - _EARLIER).timestamp()),
        "exp": int((moment + _LASTS).timestamp()),
        "iss": app_id,
    }
    parts = [
        _encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)
    ]
    signed = ".".join(parts)
    signature = _load(key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return SecretStr(f"{signed}.{_encoded(signature)}")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _load(key: SecretStr) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    found: Any = None
    # What is suppressed may quote the key.
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        found = load_pem_private_key(key.reveal().strip().encode(errors="replace") + b"\n", None)
    if not isinstance(found, RSAPrivateKey) or found.key_size < LEAST_RSA_BITS:
        raise invalid("Invalid key format", "Give the .pem file that GitHub made for the App.")
    return found


def _post(
    network: Network,
    api: RepositoryAddress,
    path: str,
    statement: SecretStr,
    body: Any,
    limits: Limits,
) -> tuple[int, dict[str, Any]]:
    budget = Budget(limits)
    sock = dial_tls(network, api, budget)
    connection = http.client.HTTPConnection(api.host, api.port)
    connection.sock = sock
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {statement.reveal()}",
        "Connection": "close",
        "Content-Type": "application/json",
        "User-Agent": f"dragoman-{__version__}",
        "X-GitHub-Api-Version": _VERSION,
    }
    try:
        with budget.at_most(lambda: hang_up(sock)):
            sock.settimeout(budget.patience())
            connection.request("POST", path, json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            return answer.status, _decoded(answer.read(_MOST))
    except (OSError, http.client.HTTPException) as error:
        late = budget.cut or isinstance(error, TimeoutError)
        raise (silent() if late else lost()) from None
    finally:
        sock.close()


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(raw)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _refusal(status: int, answer: dict[str, Any], name: str) -> GitFailure:
    said = quoted(str(answer.get("message", "")).encode())
    if status == 401:
        return refused(
            f"GitHub does not accept the App's key: {said}",
            "Do githubAppId and githubAppPrivateKey belong together, and is the clock right?",
        )
    if status == 404:
        return missing(
            "GitHub knows no such installation of the App.",
            "githubAppInstallationId is the number at the end of the installation's address.",
        )
    if status in (403, 422):
        return forbidden(
            f"GitHub gives the App no token for {name}: {said}",
            "Give the installation access to the repository, and the App the permission Contents.",
        )
    return nonsense(f"GitHub's API answered with HTTP status {status}.")
