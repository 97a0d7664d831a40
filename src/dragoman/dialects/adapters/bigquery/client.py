"""Signing in to BigQuery: as a service account, or with the identity of this machine.

Sources: Google Cloud documentation, "Using OAuth 2.0 for server to server applications", "REST
reference: jobs".
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dragoman.dialects.adapters.bigquery import errors, federation
from dragoman.dialects.adapters.https import Door, Interrupted, guard
from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.user_grants import ACCESS_TOKEN, signs_in_a_person

API_HOST: Final = "bigquery.googleapis.com"
TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_SCOPE: Final = "https://www.googleapis.com/auth/bigquery"
_RETRY_SECONDS: Final = 5.0
# The library asks again some four minutes before that.
_ASKED_AGAIN: Final = timedelta(minutes=10)


def sign_in(target: Target, door: Door, seconds: float) -> Any:
    """Google's client, its token already fetched and the project seen. Raises `DatabaseFailure`."""
    credentials = _credentials(target)
    try:
        with door.at_most(2 * seconds):
            client = _client(target, credentials, door)
            # A token says nothing of the project; this does, and costs nothing.
            list(client.list_datasets(max_results=1, retry=retry()))
    except Interrupted as stopped:
        raise stopped.failure from None
    except DatabaseFailure:
        raise  # the machine's token cannot be read
    except Exception as error:  # noqa: BLE001 - on a stranger's answer the library raises anything
        raise errors.connect_failure(error, target) from None
    return client


def retry() -> Any:
    """Retries after passing errors of the service, for a few seconds instead of ten minutes."""
    from google.cloud.bigquery import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(_RETRY_SECONDS)


def _credentials(target: Target) -> Any:
    if target.text("authenticationType") == federation.WAY:
        return federation.credentials(target, _SCOPE)
    if signs_in_a_person(target):
        return _of_a_person(target)
    key = _key(target)
    from google.oauth2 import service_account

    made: Any = service_account.Credentials.from_service_account_info(key, scopes=[_SCOPE])
    return made.with_always_use_jwt_access(False)


def _of_a_person(target: Target) -> Any:
    """The person's token, and each few minutes the one that holds then."""
    from google.oauth2.credentials import Credentials

    def renewed(_request: Any, **_: Any) -> tuple[str, datetime]:
        token = target.current().secrets[ACCESS_TOKEN].reveal()
        # Google's library has times in UTC without a zone.
        return token, datetime.now(UTC).replace(tzinfo=None) + _ASKED_AGAIN

    made: Any = Credentials(None, refresh_handler=renewed, scopes=[_SCOPE])  # type: ignore[no-untyped-call]
    return made


def _client(target: Target, credentials: Any, door: Door) -> Any:
    import requests
    from google.api_core.client_options import ClientOptions
    from google.auth.transport.requests import AuthorizedSession, Request
    from google.cloud import bigquery

    bare = requests.Session()
    guard(bare, door)
    fetch = Request(bare)
    credentials.refresh(fetch)
    session = AuthorizedSession(credentials, auth_request=fetch)
    guard(session, door)
    return bigquery.Client(
        project=target.database,
        credentials=credentials,
        location=target.text("region"),
        client_options=ClientOptions(api_endpoint=f"https://{API_HOST}"),
        _http=session,
    )


def _key(target: Target) -> dict[str, str]:
    """Of the stored key only what signing needs: no address that it names is ever used."""
    text = target.password.reveal()
    if not text:
        raise _settings(
            "There is no service account's key to sign in with.",
            "Send the JSON key as passwordUnencrypted. Where each user signs in for themselves, "
            "it serves what nobody asks for, the catalog's refresh for one.",
        )
    try:
        found = json.loads(text)
        kept = {name: str(found[name]) for name in ("private_key", "client_email", "project_id")}
        right = found["type"] == "service_account"
    except (ValueError, TypeError, KeyError):
        right, kept = False, {}
    if not right:
        raise _settings("The stored password is not a service account's JSON key.", "Send it anew.")
    return {"type": "service_account", "token_uri": TOKEN_URI, **kept}


def _settings(message: str, fix: str) -> DatabaseFailure:
    return DatabaseFailure(Stage.SETTINGS, Cause.SETTINGS_INVALID, message, fix)
