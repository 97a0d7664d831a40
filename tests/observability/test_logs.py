"""Logs: one event a line, secrets masked by type and by form."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from dragoman.observability import logs
from dragoman.secret import MASK, SecretStr
from tests.support.bodies import body
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

TOKEN = "omni_osk_" + "a" * 36


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    logging.basicConfig(force=True)


def clean(**event: Any) -> dict[str, Any]:
    return dict(logs.redact(None, "info", event))


def test_secrets_are_masked_by_type() -> None:
    secret = SecretStr("hunter2")
    event = clean(password=secret, more=[secret], deep={"a": {"b": (secret,)}})
    assert event == {"password": MASK, "more": [MASK], "deep": {"a": {"b": [MASK]}}}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET /?token={TOKEN}", f"GET /?token={MASK}"),
        (f"Bearer {TOKEN.replace('osk', 'pat')}!", f"Bearer {MASK}!"),
        ("postgresql://app:s3cr:et@db/x", f"postgresql://app:{MASK}@db/x"),
        ("redis://:pass@h:1/0 and a://b:c@d", f"redis://:{MASK}@h:1/0 and a://b:{MASK}@d"),
        ("https://example.com:443/a@b", "https://example.com:443/a@b"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_masked_by_form(text: str, shown: str) -> None:
    assert clean(event=text)["event"] == shown
    assert clean(deep=[{"text": text}])["deep"] == [{"text": shown}]
    assert clean(error=ValueError(text))["error"] == shown


def test_other_values_stay() -> None:
    event = {"n": 1, "f": 1.5, "t": True, "none": None, "text": "x"}
    assert clean(**event) == event


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.fixture
def talking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Server]:
    settings = settings_for(tmp_path, log_level="info", log_format="json")
    with running_server(settings) as server:
        yield server


def test_request_is_one_line_without_its_query(
    talking: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    token = talking.key()
    lines(capsys)
    talking.client(token).get(f"{CONNECTIONS}?name={token}", headers={"X-Request-Id": "r1"})
    [line] = [each for each in lines(capsys) if each["event"] == "request"]
    assert line["route"] == CONNECTIONS
    assert (line["status"], line["request_id"], line["principal"]) == (200, "r1", "root")
    assert line["address"] == "127.0.0.1"
    assert token not in json.dumps(line)


def test_nothing_secret_is_logged_when_things_go_wrong(
    talking: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = talking.key()
    client = talking.client(token)
    client.post(CONNECTIONS, json=body("postgres", passwordUnencrypted="MARK-4711"))
    client.post(CONNECTIONS, json=body("postgres", passwordUnencrypted="MARK-4711", port=0))
    client.get(f"/nowhere/{token}")

    def broken(*_: object) -> None:
        raise RuntimeError(f"token {token} at postgresql://app:MARK-4711@db/x")

    monkeypatch.setattr("dragoman.connections.service.create", broken)
    answer = client.post(CONNECTIONS, json=body("postgres", passwordUnencrypted="MARK-4711"))
    assert answer.status_code == 500
    written = capsys.readouterr().err
    assert "Traceback" in written  # the log has what the answer has not
    assert "MARK-4711" not in written
    assert token not in written


def test_lines_of_libraries_pass_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("some.library").warning("connecting to %s", "x://a:b@c")
    [line] = lines(capsys)
    assert (line["event"], line["level"]) == (f"connecting to x://a:{MASK}@c", "warning")


def test_text_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    structlog.get_logger().info("hello", password=SecretStr("hunter2"))
    written = capsys.readouterr().err
    assert "hello" in written
    assert "hunter2" not in written


def test_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning", "json")
    structlog.get_logger().info("quiet")
    structlog.get_logger().error("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]
