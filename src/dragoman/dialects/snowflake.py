"""Snowflake: the account identifier in `host`, four ways to sign in."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

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
from dragoman.dialects.hosts import check_host
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.spelling import INSTANT, Spelling
from dragoman.dialects.tls_rule import agreed
from dragoman.dialects.user_grants import UserGrant
from dragoman.dialects.values import BadValue
from dragoman.secret import SecretStr

if TYPE_CHECKING:
    from dragoman.dialects.validation import Draft

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*){0,3}")
_SUFFIX = re.compile(r"\.snowflakecomputing\.(com|cn)\.?", re.IGNORECASE)
_OWN, _EXTERNAL = "snowflake-oauth-user", "snowflake-external-oauth-user"
# Microsoft's provider names the audience in front of each scope and takes no `audience`.
_ENTRA = re.compile(r"https://login\.(?:microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn)/")
_ANY_ROLE = "session:role-any"
_OAUTH_ADVICE = {
    "username": "Without a service account (username and password or privateKey) the schema "
    "cannot be refreshed: each user signs in for their own queries only.",
}


class Snowflake(Dialect):
    """Snowflake. Full host names are cut to the account; keys are opened locally to check them."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT SYSTEM$WAIT(90) AS {mark}",
        hour=f"HOUR(TO_TIMESTAMP_LTZ({INSTANT}))",
        numbers="(SELECT ROW_NUMBER() OVER (ORDER BY NULL) AS n"
        " FROM TABLE(GENERATOR(ROWCOUNT => {count}))) t",
        values={
            Feature.TIMESTAMP: "CAST('2024-02-29 12:34:56.789' AS TIMESTAMP_NTZ)",
            Feature.TIMESTAMP_TZ: "CAST('2024-02-29 13:34:56 +0100' AS TIMESTAMP_TZ)",
            Feature.TIME: "CAST('12:34:56' AS TIME)",
            Feature.JSON: """PARSE_JSON('{"a": [1, null]}')""",
            Feature.BINARY: "TO_BINARY('00FF', 'HEX')",
            Feature.ARRAY: "ARRAY_CONSTRUCT(1, 2)",
        },
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="snowflake",
        label="Snowflake",
        driver=Driver("snowflake.connector", "snowflake-connector-python", "snowflake"),
        authentication=(
            Authentication(
                "snowflake-password", "User and password", ("username", "passwordUnencrypted")
            ),
            Authentication(
                "snowflake-keypair",
                "Key pair",
                ("username", "privateKey"),
                optional=("passwordUnencrypted",),
            ),
            Authentication(
                _OWN,
                "OAuth of each user",
                ("oauthClientId", "oauthClientSecretUnencrypted"),
                optional=("username", "passwordUnencrypted", "privateKey"),
                advises=_OAUTH_ADVICE,
            ),
            Authentication(
                _EXTERNAL,
                "OAuth of each user at an external provider",
                (
                    "oauthClientId",
                    "oauthClientSecretUnencrypted",
                    "externalOauthAudience",
                    "externalOauthAuthorizationUrl",
                    "externalOauthTokenUrl",
                ),
                optional=("username", "passwordUnencrypted", "privateKey"),
                advises=_OAUTH_ADVICE,
            ),
        ),
        uses={
            "host": Use(hint="Here the account identifier, for example myorg-myaccount."),
            "hostOverride": Use(),
            "database": Use(required=True),
            "username": Use(),
            "warehouse": Use(required=True, hint="For example COMPUTE_WH."),
            "includeOtherCatalogs": Use(),
            "authenticationType": Use(default="snowflake-password"),
            "privateKey": Use(),
            "enableDbSemanticLayerIntegration": Use(),
            "enableDbSemanticLayerTopics": Use(),
            "externalOauthAudience": Use(),
            "externalOauthAuthorizationUrl": Use(),
            "externalOauthTokenUrl": Use(),
            "inferRelationshipsFromForeignKeys": Use(),
            "oauthClientId": Use(),
            "oauthClientSecretUnencrypted": Use(),
        },
        without=("defaultSchema",),
        multi_catalog=True,
        sqlglot="snowflake",
        proof=Proof.EMULATOR,
        live=True,
        lacks={
            Feature.ARRAY: "An array holds values of any type: it arrives as JSON text.",
            Feature.READ_ONLY_SESSION: "Snowflake has no read-only session.",
            Feature.ROLLED_BACK: "Snowflake commits each statement.",
            Feature.LASTING_CONNECTION: "Each statement is a request of its own over HTTP.",
        },
        notes=(
            "`host` is the account identifier alone: myaccount, or myorg-myaccount.",
            "Snowflake has no read-only session: statements are checked here, and the role should "
            "have SELECT only.",
            "With OAuth of each user everybody asks with their own token; the service account "
            "(username with key or password) reads the catalog.",
            "Timestamps and times arrive in microseconds; further digits are cut off.",
        ),
    )

    def choose_authentication(self, draft: Draft) -> Authentication | None:
        """A key without `authenticationType` means the key pair."""
        if "authenticationType" not in draft.settings and draft.has("privateKey"):
            return self.declaration.authentication[1]
        return super().choose_authentication(draft)

    def check(self, draft: Draft) -> None:
        """Account, key, and what needs something else to have an effect."""
        _check_account(draft)
        _check_override(draft)
        if "privateKey" in draft.secrets:
            _check_key(draft)
        elif "privateKey" in draft.kept and "passwordUnencrypted" in draft.secrets:
            draft.warn("passwordUnencrypted", "It was not tried on the stored private key.")
        topics = draft.settings.get("enableDbSemanticLayerTopics")
        if topics and not draft.settings.get("enableDbSemanticLayerIntegration"):
            draft.warn(
                "enableDbSemanticLayerTopics",
                "It has no effect without enableDbSemanticLayerIntegration.",
            )

    def network_address(self, target: Target) -> tuple[str, int] | None:
        """The account's host name; accounts in China are told by their region."""
        override = target.text("hostOverride")
        ending = "cn" if ".cn-" in target.host.lower() else "com"
        return override or f"{target.host}.snowflakecomputing.{ending}", 443

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
        """Snowflake's own endpoints, or those of the provider that the account trusts."""
        way = target.text("authenticationType")
        if way == _OWN:
            address = self.network_address(target)
            base = f"https://{address[0]}/oauth" if address else ""
            return UserGrant(f"{base}/authorize", f"{base}/token-request", "refresh_token")
        return _external(target) if way == _EXTERNAL else None

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        target = target.current()
        from dragoman.dialects.adapters.snowflake.session import SnowflakeSession

        address = self.network_address(target)
        assert address is not None  # noqa: S101 - see above
        return SnowflakeSession(target, address[0], network, options)

    def default_schema(self, settings: Mapping[str, Any]) -> str:
        """See `Dialect.default_schema`."""
        return super().default_schema(settings) or "PUBLIC"


def _external(target: Target) -> UserGrant:
    """Source: Snowflake documentation, "External OAuth overview" (scopes), "Configure Microsoft
    Entra ID for External OAuth"."""
    audience, url = target.text("externalOauthAudience"), target.text("externalOauthTokenUrl")
    entra = _ENTRA.match(url) is not None
    scope = f"{audience}/{_ANY_ROLE}" if entra else _ANY_ROLE
    extra = {} if entra else {"audience": audience}
    authorize = target.text("externalOauthAuthorizationUrl")
    return UserGrant(authorize, url, f"{scope} offline_access", extra)


def _check_account(draft: Draft) -> None:
    sent = draft.settings.get("host")
    if sent is None:
        if "hostOverride" not in draft.settings and not draft.refused("host", "hostOverride"):
            draft.reject("host", "Required", "The account identifier, or hostOverride.")
        return
    if "hostOverride" in draft.settings:
        draft.reject("hostOverride", "Not together with host", "Leave one of the two out.")
    account = _cut(draft, str(sent))
    if account and not _ACCOUNT.fullmatch(account):
        draft.reject(
            "host", "Not an account identifier", "For example myaccount or myorg-myaccount."
        )


def _cut(draft: Draft, sent: str) -> str:
    """The account out of a full host name or URL; empty when it had to become `hostOverride`."""
    bare = re.sub(r"^https://", "", sent, flags=re.IGNORECASE).rstrip("/")
    found = _SUFFIX.search(bare)
    account = bare[: found.start()] if found and found.end() == len(bare) else bare
    if found and found[1].lower() == "cn" and ".cn-" not in account.lower():
        # The ending cannot be made again from such an account, so the whole name is kept.
        if "hostOverride" not in draft.settings:
            del draft.settings["host"]
            draft.settings["hostOverride"] = bare
            draft.warn("host", f"Stored as hostOverride: {bare}.")
        return ""
    if account != sent:
        draft.settings["host"] = account
        draft.warn("host", f"Cut to the account identifier: {account}.")
    return account


def _check_override(draft: Draft) -> None:
    override = draft.settings.get("hostOverride")
    if override is None:
        return
    try:
        draft.settings["hostOverride"] = check_host(str(override))
    except BadValue as bad:
        draft.reject("hostOverride", bad.message, bad.fix)


def _check_key(draft: Draft) -> None:
    sent = draft.plain("privateKey")
    if sent is None:
        return
    try:
        pem, encrypted = keys.normalise(sent)
        draft.secrets["privateKey"] = SecretStr(pem)
        if not encrypted:
            keys.open_rsa(pem, None)
        elif draft.has("passwordUnencrypted") and draft.plain("passwordUnencrypted") != "":
            _try_passphrase(draft, pem)
        else:
            fix = "Send the passphrase as passwordUnencrypted."
            draft.reject("passwordUnencrypted", "Required to open the encrypted key", fix)
    except BadValue as bad:
        draft.reject("privateKey", bad.message, bad.fix)


def _try_passphrase(draft: Draft, pem: str) -> None:
    passphrase = draft.plain("passwordUnencrypted")
    if passphrase is not None:
        keys.open_rsa(pem, passphrase)


DIALECT = Snowflake()
