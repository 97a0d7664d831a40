"""What an application asks for at the authorization endpoint, and where the answer goes.

Applications are known beforehand, and run on the person's own machine: they have no secret, so each
code is bound to the one that asked by PKCE, and goes to a port of that machine only.
Source: RFC 6749 section 4.1, RFC 7636, RFC 8252 sections 7.3 and 8, RFC 9207; contract.md §1.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import msgspec

from dragoman.api.errors import BadRequest
from dragoman.signin.oauth.refusals import Refused

SCOPE = "user:default"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # SHA-256 in base64url
_MAX_STATE, _MAX_URI = 1000, 200


class Application(msgspec.Struct, frozen=True):
    """An application that people may let in. `path`: where it listens, on any port."""

    id: str
    name: str
    path: str


APPLICATIONS = {each.id: each for each in (Application("omni-cli", "Omni CLI", "/callback"),)}


class Asked(msgspec.Struct, frozen=True):
    """A request that may be answered. `challenge`: of PKCE, S256."""

    application: Application
    redirect_uri: str
    state: str | None
    challenge: str


class Unanswerable(Refused):
    """A refusal that the application is told by way of the browser: `location`."""

    def __init__(self, word: str, detail: str, location: str) -> None:
        super().__init__(word, detail)
        self.location = location


def read(query: Mapping[str, str], issuer: str) -> Asked:
    """The request. Raises `BadRequest` where it cannot be told whom to answer, `Unanswerable`
    for what else is wrong with it."""
    application = APPLICATIONS.get(query.get("client_id", ""))
    if application is None:
        raise BadRequest("Bad Request: client_id: no application of this name may ask")
    uri, state = query.get("redirect_uri", ""), query.get("state")
    if not _is_own(uri, application):
        raise BadRequest(
            f"Bad Request: redirect_uri: http://localhost:PORT{application.path} is for this"
            " application"
        )
    problem = _problem(query, state)
    if problem is not None:
        word, detail = problem
        shown = state if state is None or len(state) <= _MAX_STATE else None
        back = {"error": word, "error_description": detail}
        raise Unanswerable(word, detail, location(uri, shown, issuer, back))
    return Asked(application, uri, state, query["code_challenge"])


def location(uri: str, state: str | None, issuer: str, said: Mapping[str, str]) -> str:
    """Where the browser takes an answer."""
    bound = {} if state is None else {"state": state}
    return f"{uri}?{urlencode({**said, **bound, 'iss': issuer})}"


def _is_own(uri: str, application: Application) -> bool:
    if len(uri) > _MAX_URI or not uri.isascii() or not uri.isprintable() or "\\" in uri:
        return False
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    # Written in full, so that no two readers of the address see another host in it.
    plain = f"http://{shown}{'' if port is None else f':{port}'}{application.path}"
    return host in _LOOPBACK and uri == plain


def _problem(query: Mapping[str, str], state: str | None) -> tuple[str, str] | None:
    if state is not None and len(state) > _MAX_STATE:
        return "invalid_request", f"state: at most {_MAX_STATE} characters"
    if query.get("response_type") != "code":
        return "unsupported_response_type", "response_type: code"
    if query.get("code_challenge_method") != "S256":
        return "invalid_request", "code_challenge_method: S256"
    if not _CHALLENGE.fullmatch(query.get("code_challenge", "")):
        return "invalid_request", "code_challenge: 43 characters of base64url"
    if query.get("scope", SCOPE).split() != [SCOPE]:
        return "invalid_scope", f"scope: {SCOPE}"
    return None
