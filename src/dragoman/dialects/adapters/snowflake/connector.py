"""Signing in with the vendor's connector, without what it does on the side.

Left to itself it asks the metadata services of three clouds where it runs, reads a configuration
file of the home directory, can write a log there, and reports usage to the vendor.

Sources: Snowflake documentation, "Key-pair authentication", "Parameters".
"""

from __future__ import annotations

import functools
import importlib
import math
import os
from collections.abc import Iterator
from typing import Any, Final

from dragoman.dialects.adapters.https import Door, Interrupted, unwell
from dragoman.dialects.adapters.snowflake import errors
from dragoman.dialects.adapters.snowflake.wire import session_manager
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.user_grants import ACCESS_TOKEN

# The server stops the statement first; these are for when it does not.
GRACE_SECONDS: Final = 15.0
_CHUNKS_AHEAD: Final = 2


def sign_in(target: Target, host: str, door: Door, options: SessionOptions) -> Any:
    """An open connection of the connector. Raises `DatabaseFailure`."""
    secret = _credential(target)
    try:
        with door.at_most(2 * options.connect_seconds):
            connection = _connection_class()(
                door=door,
                account=_account(host),
                host=host,
                port=443,
                protocol="https",
                user="" if ACCESS_TOKEN in target.secrets else target.username,
                database=target.database or None,
                warehouse=target.text("warehouse") or None,
                application="dragoman",
                session_parameters=_parameters(options),
                validate_default_parameters=True,  # otherwise an unknown database is no error
                paramstyle="qmark",
                login_timeout=math.ceil(options.connect_seconds),
                platform_detection_timeout_seconds=0.0,
                backoff_policy=_patience,
                client_prefetch_threads=_CHUNKS_AHEAD,
                client_session_keep_alive=False,
                client_store_temporary_credential=False,
                client_request_mfa_token=False,
                consent_cache_id_token=False,
                disable_ocsp_checks=True,  # the door verifies; that would keep a cache file
                arrow_number_to_decimal=True,
                log_imported_packages_in_telemetry=False,
                **secret,
            )
    except Interrupted as stopped:
        raise stopped.failure from None
    except DatabaseFailure:
        raise
    except Exception as error:  # noqa: BLE001 - on a stranger's answer the driver raises anything
        raise errors.connect_failure(error, target) from None
    door.answer_seconds = options.timeout_seconds + GRACE_SECONDS
    return connection


def _patience() -> Iterator[float]:
    """Seconds between tries after a passing error of the service (HTTP 429, 503); then no more."""
    yield from (0.2, 0.5, 1.0)
    raise Interrupted(unwell())


def _parameters(options: SessionOptions) -> dict[str, Any]:
    return {
        "TIMEZONE": options.timezone or "UTC",
        "STATEMENT_TIMEOUT_IN_SECONDS": max(1, math.ceil(options.timeout_seconds)),
        "CLIENT_TELEMETRY_ENABLED": False,
        "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "ARROW",
        "QUERY_TAG": "dragoman",
        # A limit that an account or a user sets cuts answers without a word.
        "ROWS_PER_RESULTSET": 0,
    }


def _credential(target: Target) -> dict[str, Any]:
    """The person's token, the key where there is one, or the password."""
    token = target.secrets.get(ACCESS_TOKEN)
    if token is not None:
        return {"authenticator": "OAUTH", "token": token.reveal()}
    key = target.secrets.get("privateKey")
    if key is not None and key.reveal():
        return {"authenticator": "SNOWFLAKE_JWT", "private_key": _opened(target)}
    if target.password.reveal():
        return {"authenticator": "SNOWFLAKE", "password": target.password.reveal()}
    raise DatabaseFailure(
        Stage.SETTINGS,
        Cause.SETTINGS_INVALID,
        "There is nothing to sign in with: neither a private key nor a password.",
        "Where nobody signs in for themselves, the catalog's refresh for one, a service account "
        "is needed (username with privateKey or passwordUnencrypted).",
    )


def _opened(target: Target) -> Any:
    """The private key as an object: a malformed one must not reach the connector's messages."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = target.secrets["privateKey"].reveal().encode()
    passphrase = target.password.reveal().encode() or None
    try:
        return load_pem_private_key(pem, passphrase if b"ENCRYPTED" in pem else None)
    except (ValueError, TypeError):
        raise DatabaseFailure(
            Stage.SETTINGS,
            Cause.SETTINGS_INVALID,
            "The private key cannot be opened.",
            "Check privateKey, and passwordUnencrypted as its passphrase.",
        ) from None


def _account(host: str) -> str:
    """The account that a host name stands for: the labels before the vendor's own."""
    return host.lower().split(".snowflakecomputing.")[0].removesuffix(".privatelink")


@functools.cache
def _connection_class() -> Any:
    # Only the environment keeps it from loading a library that reports on this machine.
    os.environ.setdefault("SNOWFLAKE_DISABLE_MINICORE", "true")
    connector: Any = importlib.import_module("snowflake.connector")
    connections: Any = importlib.import_module("snowflake.connector.connection")
    signing_in: Any = importlib.import_module("snowflake.connector.auth._auth")

    # Asks metadata services, and keeps each caller's session for good.
    signing_in.detect_platforms = _nowhere
    # What a sign-in would tell of this machine.
    signing_in.get_application_path = lambda: "dragoman"
    signing_in.get_os_details = dict
    signing_in.build_minicore_usage_for_session = dict
    connections.EasyLoggingConfigPython = _NoLogFile
    base: Any = connector.SnowflakeConnection

    class CheckedConnection(base):
        """The connector's connection: the door for a network, and no reports to the vendor."""

        def __init__(self, *, door: Door, **given: Any) -> None:
            self._door = door
            super().__init__(**given)

        @property
        def _session_manager(self) -> Any:
            return self._checked

        @_session_manager.setter
        def _session_manager(self, _: Any) -> None:
            self._checked = session_manager(self._door)

        @property
        def telemetry_enabled(self) -> bool:
            return False

        @telemetry_enabled.setter
        def telemetry_enabled(self, value: bool) -> None:
            """It stays off, whatever the server says."""

    return CheckedConnection


def _nowhere(*_: Any, **__: Any) -> list[str]:
    """In place of the connector's look for the cloud that it runs in."""
    return []


class _NoLogFile:
    """In place of the connector's reader of log settings in the home directory."""

    def __init__(self, **_: Any) -> None:
        """Reads nothing."""

    def create_log(self) -> None:
        """Makes nothing."""
