"""What a provider says of itself, and its keys: fetched when needed, kept for a while.

Of many who ask at once, one asks the provider; that it failed is remembered for `FAILED_SECONDS`:
a provider that hangs takes no thread for each visitor.

Source: OpenID Connect Discovery 1.0; RFC 8414; RFC 7517. An unknown key id means that the keys may
have been rotated: they are fetched again, at most once in `AGAIN_SECONDS` whoever asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from dragoman.dialects.network import Network
from dragoman.signin.oidc import fetching
from dragoman.signin.oidc.refusals import Reason, Refused

KEEP_SECONDS = 3600.0
AGAIN_SECONDS = 60.0
FAILED_SECONDS = 5.0
_MOST = 64  # providers that are remembered
_MAX_KEYS = 100
WELL_KNOWN = "/.well-known/openid-configuration"
Key = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """The part of a provider's metadata that counts here."""

    issuer: str
    authorize: str
    token: str
    keys: str
    userinfo: str | None
    end_session: str | None
    tells_issuer: bool
    post_secret: bool


@dataclass(slots=True)
class _Entry:
    document: Document | None = None
    at: float = 0.0
    keys: list[Key] | None = None
    keys_at: float = 0.0
    failure: Refused | None = None
    failed_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Directory:
    """Remembers documents and keys for one process. Its methods block."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def document(self, network: Network, issuer: str) -> Document:
        """What the issuer says of itself. Raises `Refused`."""
        entry = self._entry(issuer)
        with entry.lock:
            return self._document(network, issuer, entry)

    def keys(self, network: Network, issuer: str, key_id: str | None) -> list[Key]:
        """The issuer's keys, fetched again where none has that id. Raises `Refused`."""
        entry = self._entry(issuer)
        with entry.lock:
            document = self._document(network, issuer, entry)
            age = self._clock() - entry.keys_at
            known = entry.keys is not None and (
                key_id is None or any(key.get("kid") == key_id for key in entry.keys)
            )
            if entry.keys is None or age > KEEP_SECONDS or (not known and age > AGAIN_SECONDS):
                entry.keys = self._ask(entry, lambda: _keys(network, document.keys))
                entry.keys_at = self._clock()
            return entry.keys

    def forget(self, issuer: str) -> None:
        """Ask anew next time."""
        with self._lock:
            self._entries.pop(issuer, None)

    def _entry(self, issuer: str) -> _Entry:
        with self._lock:
            if issuer not in self._entries and len(self._entries) >= _MOST:
                del self._entries[next(iter(self._entries))]
            return self._entries.setdefault(issuer, _Entry())

    def _document(self, network: Network, issuer: str, entry: _Entry) -> Document:
        if entry.document is None or self._clock() - entry.at > KEEP_SECONDS:
            entry.document = self._ask(entry, lambda: read(network, issuer))
            entry.at, entry.keys = self._clock(), None
        return entry.document

    def _ask(self, entry: _Entry, work: Callable[[], T]) -> T:
        failure = entry.failure
        if failure is not None and self._clock() - entry.failed_at < FAILED_SECONDS:
            raise Refused(failure.reason, failure.detail)
        try:
            return work()
        except Refused as refused:
            entry.failure, entry.failed_at = refused, self._clock()
            raise


def read(network: Network, issuer: str) -> Document:
    """Fetch and check a provider's metadata. Raises `Refused`."""
    said = fetching.get(network, issuer.rstrip("/") + WELL_KNOWN)
    if said.get("issuer") != issuer:
        raise Refused(
            Reason.UNREACHABLE,
            "the provider's metadata names another issuer than the one that is set up here",
        )
    methods = said.get("token_endpoint_auth_methods_supported")
    return Document(
        issuer,
        _url(said, "authorization_endpoint"),
        _url(said, "token_endpoint"),
        _url(said, "jwks_uri"),
        _url(said, "userinfo_endpoint") if said.get("userinfo_endpoint") else None,
        _url(said, "end_session_endpoint") if said.get("end_session_endpoint") else None,
        said.get("authorization_response_iss_parameter_supported") is True,
        isinstance(methods, list)
        and "client_secret_basic" not in methods
        and "client_secret_post" in methods,
    )


def _url(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    try:
        if not isinstance(value, str):
            raise ValueError("it is missing")
        fetching.check_url(value)
    except ValueError as error:
        message = f"the provider's metadata: {name}: {error}"
        raise Refused(Reason.UNREACHABLE, message) from None
    return value


def _keys(network: Network, url: str) -> list[Key]:
    said = fetching.get(network, url).get("keys")
    if not isinstance(said, list) or len(cast("list[Any]", said)) > _MAX_KEYS:
        raise Refused(Reason.UNREACHABLE, f"{url[:200]} is no set of at most {_MAX_KEYS} keys")
    return [cast("Key", key) for key in cast("list[Any]", said) if isinstance(key, dict)]


DIRECTORY = Directory()
