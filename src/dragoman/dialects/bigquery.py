"""Google BigQuery: a service account's JSON key as password, or federated or personal sign-in."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any, ClassVar, cast

from dragoman.dialects import keys
from dragoman.dialects.base import (
    Authentication,
    Declaration,
    Dialect,
    Driver,
    Proof,
    Session,
    SessionOptions,
    Target,
    Use,
)
from dragoman.dialects.features import Feature
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.spelling import INSTANT, Spelling
from dragoman.dialects.tls_rule import agreed
from dragoman.dialects.user_grants import UserGrant
from dragoman.dialects.values import BadValue

if TYPE_CHECKING:
    from dragoman.dialects.validation import Draft

_USERS, _USERS_BYO = "bigquery-oauth-user", "bigquery-byo-oauth-user"
_AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth"
SCOPE = "https://www.googleapis.com/auth/bigquery"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_AUDIENCE = re.compile(
    r"//iam\.googleapis\.com/projects/[^/\s]+/locations/[^/\s]+"
    r"/workloadIdentityPools/[^/\s]+/providers/[^/\s]+"
)
_EMAIL = re.compile(r"[^@\s/]+@[^@\s/]+\.[^@\s/]+")
_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,61}[a-z0-9]")
_FIX = "Send the whole JSON key file of a service account as text."


class BigQuery(Dialect):
    """BigQuery. Project and client email come from the key when they are not sent."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT COUNT(*) AS {mark} FROM UNNEST(GENERATE_ARRAY(1, 1000000)) AS x"
        " CROSS JOIN UNNEST(GENERATE_ARRAY(1, 1000000)) AS y WHERE MOD(x + y, 7) = 8",
        hour=f"FORMAT_TIMESTAMP('%H', TIMESTAMP_SECONDS({INSTANT}))",
        numbers="(SELECT x + 1000 * y AS n FROM UNNEST(GENERATE_ARRAY(0, 999)) AS x"
        " CROSS JOIN UNNEST(GENERATE_ARRAY(0, DIV({count}, 1000))) AS y"
        " WHERE x + 1000 * y < {count}) AS t",
        quoted="'aü€😀\\'\"'",
        values={
            Feature.DECIMAL: "NUMERIC '12.34'",
            Feature.TIMESTAMP: "DATETIME '2024-02-29 12:34:56.789'",
            Feature.TIMESTAMP_TZ: "TIMESTAMP '2024-02-29 13:34:56+01:00'",
            Feature.JSON: """JSON '{"a": [1, null]}'""",
            Feature.BINARY: "FROM_HEX('00ff')",
            Feature.ARRAY: "[1, 2]",
        },
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="bigquery",
        label="Google BigQuery",
        driver=Driver("google.cloud.bigquery", "google-cloud-bigquery", "bigquery"),
        authentication=(
            Authentication(
                "bigquery-service-account",
                "Service account (JSON key as password)",
                ("passwordUnencrypted",),
                optional=("database", "username"),
            ),
            Authentication(
                "bigquery-workload-identity-federation",
                "Workload identity federation",
                ("wifAudience", "database"),
                optional=("wifServiceAccountEmail",),
            ),
            Authentication(
                _USERS,
                "OAuth of each user",
                ("database",),
                optional=("passwordUnencrypted", "username"),
            ),
            Authentication(
                _USERS_BYO,
                "OAuth of each user with your own client",
                ("database", "oauthClientId", "oauthClientSecretUnencrypted"),
                optional=("passwordUnencrypted", "username"),
            ),
        ),
        uses={
            "username": Use(hint="The client email of the service account."),
            "region": Use(required=True, hint="For example us, eu or europe-west3."),
            "includeOtherCatalogs": Use(),
            "maxBillingBytes": Use(),
            "authenticationType": Use(default="bigquery-service-account"),
            "oauthClientId": Use(),
            "oauthClientSecretUnencrypted": Use(),
            "wifAudience": Use(),
            "wifServiceAccountEmail": Use(),
        },
        multi_catalog=True,
        sqlglot="bigquery",
        proof=Proof.EMULATOR,
        live=True,
        lacks={
            Feature.LASTING_CONNECTION: "Each statement is a request of its own over HTTP.",
        },
        notes=(
            "`database` is the project; a schema is a dataset; other catalogs are other projects.",
            "Only keys of type service_account are taken: others can read files or run programs.",
            "Federation takes the machine's token that GOOGLE_APPLICATION_CREDENTIALS leads to.",
            "With OAuth of each user everybody asks with their own token; a service account that "
            "is sent along reads the catalog.",
            "`bigquery-oauth-user` takes the client that the operator registered with Google "
            "(DRAGOMAN_GOOGLE_CLIENT_ID, DRAGOMAN_GOOGLE_CLIENT_SECRET).",
            "Each statement is tried by a free dry run first, which also tells whether it reads.",
        ),
    )

    def check(self, draft: Draft) -> None:
        """The service account's key, the audience and the names."""
        sent = draft.plain("passwordUnencrypted")
        if sent:
            _check_service_account(draft, sent)
        _match(draft, "wifAudience", _AUDIENCE, "Not a workload identity provider")
        _match(draft, "wifServiceAccountEmail", _EMAIL, "Not an email address")
        _match(draft, "database", _PROJECT, "Not a project id")
        _match(draft, "region", re.compile(r"[A-Za-z][A-Za-z0-9-]{1,40}"), "Not a region")

    def network_address(self, target: Target) -> tuple[str, int] | None:
        """The public API: no setting changes it."""
        return "bigquery.googleapis.com", 443

    def starttls(
        self,
        sock: socket.socket,
        address: Address,
        target: Target,
        policy: TlsPolicy,
        *,
        timeout: float = PROBE_SECONDS,
    ) -> str:
        """Verify the server; plain text is never spoken. See `Dialect.starttls`."""
        return agreed(probe_tls(sock, address.host, policy, timeout=timeout))

    def user_grant(self, target: Target) -> UserGrant | None:
        """Google Cloud documentation, "Using OAuth 2.0 for web server applications"."""
        way = target.text("authenticationType")
        if way not in (_USERS, _USERS_BYO):
            return None
        # Without both Google gives no refresh token, or none the second time.
        lasting = {"access_type": "offline", "prompt": "consent"}
        client = "google" if way == _USERS else ""
        return UserGrant(_AUTHORIZE, TOKEN_URI, SCOPE, lasting, client)

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.bigquery.session import BigQuerySession

        return BigQuerySession(target, network, options)

    def quote(self, identifier: str) -> str:
        """In backticks; backslash is the escape inside (GoogleSQL lexical structure)."""
        return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _check_service_account(draft: Draft, sent: str) -> None:
    try:
        account = _service_account(sent)
    except BadValue as bad:
        draft.reject("passwordUnencrypted", bad.message, bad.fix)
        return
    draft.settings.setdefault("database", account["project_id"])
    email = account["client_email"]
    if draft.settings.setdefault("username", email) != email:
        draft.warn("username", f"The key belongs to {email}; that account signs in.")


def _service_account(text: str) -> dict[str, str]:
    """The texts of a checked key. Raises `BadValue`.

    Google's libraries obey what the JSON says, so all that could send the key elsewhere or make
    the library read files is pinned or refused (google-auth, "external account" credentials).
    """
    account = _object(text)
    kind = account.get("type")
    if kind != "service_account":
        named = f'"{str(kind)[:40]}"' if kind is not None else "missing"
        raise BadValue(f'Must have type "service_account", is {named}', _FIX)
    missing = [name for name in _TEXTS if not _is_text(account.get(name))]
    if missing:
        raise BadValue(f"The key file has no {', '.join(missing)}", _FIX)
    _pinned(account, "token_uri", TOKEN_URI)
    _pinned(account, "universe_domain", "googleapis.com")
    _check_names(account)
    _check_private_key(account["private_key"])
    return {name: account[name] for name in _TEXTS}


_TEXTS = ("project_id", "private_key", "client_email")


def _object(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadValue(
            "Must be the JSON key of a service account; this is not JSON", _FIX
        ) from error
    if not isinstance(parsed, dict):
        raise BadValue("Must be the JSON key of a service account; this is not an object", _FIX)
    return cast("dict[str, Any]", parsed)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _pinned(account: dict[str, Any], name: str, only: str) -> None:
    if account.get(name, only) != only:
        raise BadValue(f"{name} in the key must be {only}", "Download the key file again.")


def _check_names(account: dict[str, Any]) -> None:
    """They become settings, so they are held to what settings are held to."""
    if not _PROJECT.fullmatch(account["project_id"]):
        raise BadValue("project_id in the key is not a project id", "Download the key file again.")
    if not _EMAIL.fullmatch(account["client_email"]):
        raise BadValue("client_email in the key is not an address", "Download the key file again.")


def _check_private_key(text: str) -> None:
    try:
        pem, encrypted = keys.normalise(text)
        if encrypted:
            raise BadValue("is encrypted", "Download the key file again.")
        keys.open_rsa(pem, None)
    except BadValue as bad:
        reason = bad.message[0].lower() + bad.message[1:]
        raise BadValue(f"private_key in the key: {reason}", "Download the key file again.") from bad


def _match(draft: Draft, name: str, pattern: re.Pattern[str], message: str) -> None:
    value = draft.settings.get(name)
    if value is not None and not pattern.fullmatch(str(value)):
        example = (
            "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
        )
        draft.reject(name, message, f"For example {example}." if name == "wifAudience" else "")


DIALECT = BigQuery()
