"""Databricks Lakebase on Debian's PostgreSQL with TLS, where a role's password plays the token."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.adapters.lakebase import expiry, with_hint
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.secret import SecretStr
from tests.engines.conformance import Subject, postgres_subject, rows
from tests.support.engines import Engine

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def token(claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.c2lnbmF0dXJl"


@pytest.fixture
def lakebase(postgres_tls_server: Engine) -> Subject:
    return postgres_subject(postgres_tls_server, "databricks_lakebase")


def test_a_session_reads_and_an_ended_token_is_told(lakebase: Subject) -> None:
    with lakebase.session() as session:
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
    old = token({"exp": NOW.timestamp(), "sub": "somebody"})
    ended = lakebase.with_settings(password=old)
    found = diagnose(ended.dialect, ended.target, ended.network, ended.options())
    assert found.failed
    assert (found.failed.stage, found.failed.cause) == (
        Stage.AUTHENTICATION,
        Cause.AUTHENTICATION_FAILED,
    )
    assert "ended at 2026-01-02 03:04:05 UTC" in found.failed.message
    assert old not in repr(found)


def test_plain_text_is_never_spoken(postgres_server: Engine, lakebase: Subject) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        lakebase.with_settings(port=postgres_server.port).connect()
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("a plain password", "about an hour"),
        (token({"exp": (NOW + timedelta(minutes=5)).timestamp()}), "has not ended"),
        (token({"exp": (NOW - timedelta(minutes=5)).timestamp()}), "new token"),
    ],
)
def test_the_hint_fits_the_password(password: str, said: str) -> None:
    refused = DatabaseFailure(
        Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED, "password authentication failed", "x"
    )
    told = with_hint(refused, SecretStr(password), NOW)
    assert told.fix
    assert said in told.fix
    other = DatabaseFailure(Stage.TCP, Cause.REFUSED, "refused")
    assert with_hint(other, SecretStr(password), NOW) is other


@given(st.one_of(st.text(), st.from_regex(r"\w+\.[\w=+/-]*\.\w*"), st.builds(token, st.text())))
def test_any_password_is_no_trouble(password: str) -> None:
    assert expiry(SecretStr(password)) is None


@pytest.mark.parametrize("exp", ["soon", None, [], 1e300, float("inf"), float("nan"), True])
def test_claims_that_are_no_time(exp: object) -> None:
    expiry(SecretStr(token({"exp": exp})))
