"""Workload identity federation: BigQuery is the emulator; Google's two endpoints of tokens are
stubs after their references, so every test here has `stub` in its name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.user_grants import ACCESS_TOKEN
from dragoman.secret import SecretStr
from tests.engines.conformance import rows
from tests.engines.support.bigquery import (
    API,
    AUDIENCE,
    EMAIL,
    IAM,
    MACHINE_TOKEN,
    PROJECT,
    STS,
    BigQuery,
)

pytest.importorskip("google.cloud.bigquery", reason="the BigQuery library is not installed")
FILE = "GOOGLE_APPLICATION_CREDENTIALS"
Configure = Any


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Writes the configuration, with a token beside it; gives the token's file."""

    def write(token: str = MACHINE_TOKEN, form: dict[str, Any] | None = None, **more: Any) -> Path:
        file = tmp_path / "token"
        file.write_text(token)
        source = {"file": str(file)} | ({"format": form} if form else {})
        found = {
            "type": "external_account",
            # What such a file may say besides; none of it may be obeyed.
            "audience": "//iam.googleapis.com/elsewhere",
            "token_url": "https://elsewhere.example.test/v1/token",
            "service_account_impersonation_url": "https://elsewhere.example.test/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "credential_source": source,
            **more,
        }
        (tmp_path / "configuration.json").write_text(json.dumps(found))
        monkeypatch.setenv(FILE, str(tmp_path / "configuration.json"))
        return file

    return write


def target(**settings: Any) -> Target:
    given = {
        "authenticationType": "bigquery-workload-identity-federation",
        "database": PROJECT,
        "region": "us",
        "wifAudience": AUDIENCE,
        **settings,
    }
    return Target("bigquery", given, {})


def failed(emulator: BigQuery, asked: Target) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught, emulator.session(asked):
        pass
    return caught.value


def test_stub_the_machines_token_is_exchanged(
    bigquery_emulator: BigQuery, configure: Configure
) -> None:
    configure()
    network = bigquery_emulator.network()
    with bigquery_emulator.session(target(), network) as session:
        assert rows(session, "SELECT 1 AS one") == [{"one": 1}]
    assert {host for host, _ in network.dialled} == {API, STS}
    asked = bigquery_emulator.exchanged[-1]
    assert (asked["subject_token"], asked["audience"]) == (MACHINE_TOKEN, AUDIENCE)
    assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"


def test_stub_a_service_account_is_impersonated(
    bigquery_emulator: BigQuery, configure: Configure
) -> None:
    configure(json.dumps({"t": MACHINE_TOKEN}), {"type": "json", "subject_token_field_name": "t"})
    network = bigquery_emulator.network()
    with bigquery_emulator.session(target(wifServiceAccountEmail=EMAIL), network) as session:
        session.ping()
    assert {host for host, _ in network.dialled} == {API, STS, IAM}
    assert bigquery_emulator.exchanged[-1]["bearer"] == "Bearer federated"


def test_stub_a_person_asks_with_their_own_token(bigquery_emulator: BigQuery) -> None:
    """The emulator takes any token; what is asked of Google is shown by who is dialled."""
    asked: list[str] = []
    bare = target(authenticationType="bigquery-oauth-user")

    def renew() -> Target:
        asked.append("access-of-ann")
        return replace(bare, secrets={ACCESS_TOKEN: SecretStr(asked[-1])}, renew=renew)

    network = bigquery_emulator.network()
    with bigquery_emulator.session(replace(bare, renew=renew), network) as session:
        assert rows(session, "SELECT 1 AS one") == [{"one": 1}]
        sent: dict[str, str] = {}
        session._client._http.credentials.apply(sent)  # type: ignore[attr-defined]
    assert sent == {"authorization": "Bearer access-of-ann"}
    assert {host for host, _ in network.dialled} == {API}
    assert len(asked) == 1


@pytest.mark.parametrize(
    "settings",
    [{"wifAudience": f"{AUDIENCE}y"}, {"wifServiceAccountEmail": f"other-{EMAIL}"}],
    ids=["audience", "account"],
)
def test_stub_what_google_does_not_accept_is_a_failure_to_sign_in(
    bigquery_emulator: BigQuery, configure: Configure, settings: dict[str, str]
) -> None:
    configure()
    failure = failed(bigquery_emulator, target(**settings))
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert "this machine's identity" in failure.message
    assert MACHINE_TOKEN not in str(failure)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "service_account"}, "no configuration"),
        ({"credential_source": {"executable": {"command": "/bin/true"}}}, "no configuration"),
        ({"credential_source": {"url": "http://169.254.169.254/token"}}, "no configuration"),
        ({"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request"}, "no configuration"),
        ({"credential_source": {"file": "/nowhere/token"}}, "cannot be read"),
        ({"token": ""}, "is empty"),
        ({"token": "x", "form": {"type": "json", "subject_token_field_name": "t"}}, "be read"),
    ],
)
def test_stub_what_the_operator_has_to_mend(
    bigquery_emulator: BigQuery, configure: Configure, given: dict[str, Any], words: str
) -> None:
    configure(**given)
    failure = failed(bigquery_emulator, target())
    assert (failure.stage, failure.cause) == (Stage.SETTINGS, Cause.SETTINGS_INVALID)
    assert words in failure.message


def test_stub_a_server_without_an_identity_says_so(
    bigquery_emulator: BigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FILE, raising=False)
    assert "is not set" in failed(bigquery_emulator, target()).message
