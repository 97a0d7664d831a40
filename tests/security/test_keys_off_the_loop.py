"""A key command may take seconds: nothing that opens a secret may hold up the other requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.connections import secrets
from dragoman.vault import Vault
from tests.support.bodies import body
from tests.support.server import CONNECTIONS, Server


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Each call that may wait for a key or a file, and whether it was made on the event loop."""
    calls: list[tuple[str, bool]] = []

    def watch(place: Any, name: str) -> None:
        real = getattr(place, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            calls.append((name, _on_event_loop()))
            return real(*arguments, **named)

        monkeypatch.setattr(place, name, watched)

    for name in ("seal", "open", "rewrap", "matches", "fingerprint"):
        watch(Vault, name)
    watch(secrets, "resolve")
    return calls


def test_secrets_are_sealed_and_opened_off_the_event_loop(
    server: Server, seen: list[tuple[str, bool]]
) -> None:
    sent = body("postgres", host="127.0.0.1", port=1)
    keyed = {"Idempotency-Key": "one"}
    made = server.root.post(CONNECTIONS, json=sent, headers=keyed).json()["data"]
    server.root.post(CONNECTIONS, json=sent, headers=keyed)
    server.root.post(f"{CONNECTIONS}/{made}/test")
    server.root.post(f"{CONNECTIONS}/{made}/query", json={"sql": "SELECT 1"})
    server.root.patch(f"{CONNECTIONS}/{made}", json={"passwordUnencrypted": "new"})
    reference = {"$secret": "env:DRAGOMAN_SECRET_NONE"}
    server.root.post(f"{CONNECTIONS}/test", json={**sent, "passwordUnencrypted": reference})
    assert {name for name, _ in seen} == {"seal", "open", "matches", "fingerprint", "resolve"}
    assert [name for name, on_loop in seen if on_loop] == []


def test_readiness_tells_of_a_key_file_that_cannot_be_read(sqlite_server: Server) -> None:
    file = sqlite_server.home / "keys.json"
    good = file.read_text()
    file.write_text("{}")
    answer = sqlite_server.anonymous.get("/readyz")
    assert answer.status_code == 503
    assert "key" in answer.json()["message"]
    assert "Retry-After" in answer.headers
    file.write_text(good)
    assert sqlite_server.anonymous.get("/readyz").status_code == 200
