"""Health, readiness, metrics, documentation; and a key ring that must not be used."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

from dragoman.vault import KEY_FILE_NAME, KeyRingError
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server, running_server, settings_for


def test_health_and_readiness(server: Server) -> None:
    assert server.anonymous.get("/healthz").text == "ok"
    assert server.anonymous.get("/readyz").text == "ready"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_key_file_that_others_may_read_stops_the_start(tmp_path: Path, mode: int) -> None:
    with running_server(settings_for(tmp_path)):
        pass
    key_file = tmp_path / KEY_FILE_NAME
    assert key_file.stat().st_mode & 0o777 == 0o600
    key_file.chmod(mode)
    with (
        pytest.raises(KeyRingError, match="others may use it"),
        running_server(settings_for(tmp_path)),
    ):
        pass
    key_file.chmod(0o600)
    with running_server(settings_for(tmp_path)) as server:
        assert server.anonymous.get("/readyz").status_code == 200


def test_key_ring_that_cannot_be_read_again(sqlite_server: Server) -> None:
    """The server goes on with the last good ring, and says so where it is watched."""
    made = sqlite_server.create()
    key_file = sqlite_server.home / KEY_FILE_NAME
    good = key_file.read_bytes()
    key_file.write_bytes(b"{}")
    told = assert_error(sqlite_server.anonymous.get("/readyz"), 503)
    assert told["message"]
    assert sqlite_server.anonymous.get("/healthz").status_code == 200
    assert sqlite_server.root.get(f"{CONNECTIONS}/{made}").status_code == 200
    assert sqlite_server.create()
    key_file.write_bytes(good)
    assert sqlite_server.anonymous.get("/readyz").status_code == 200


def test_two_installations_have_keys_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with running_server(settings_for(tmp_path / name)):
            pass
    one, two = ((tmp_path / name / KEY_FILE_NAME).read_bytes() for name in ("one", "two"))
    assert one != two


@pytest.mark.parametrize(
    ("allowed", "address", "status"),
    [
        ("loopback", "127.0.0.1", 200),
        ("loopback", "::1", 200),
        ("loopback", "192.0.2.1", 404),
        ("loopback", "nonsense", 404),
        ("open", "192.0.2.1", 200),
        ("off", "127.0.0.1", 404),
    ],
)
def test_who_may_read_metrics(tmp_path: Path, allowed: str, address: str, status: int) -> None:
    with running_server(settings_for(tmp_path, metrics=allowed), address) as server:
        assert server.anonymous.get("/metrics").status_code == status


def test_metrics_have_templates_and_no_ids(sqlite_server: Server) -> None:
    made = sqlite_server.create(name="MARK-4711")
    sqlite_server.root.get(f"{CONNECTIONS}/{made}")
    sqlite_server.root.get(f"/nowhere/{made}")
    sqlite_server.root.request("BREW", CONNECTIONS)
    text = sqlite_server.anonymous.get("/metrics").text
    assert 'route="/api/v1/connections/{id}",status="200"' in text
    assert 'method="",route="unmatched",status="404"' in text
    for hidden in (made, "MARK-4711", "BREW", "nowhere", str(sqlite_server.root.token)):
        assert hidden not in text


def test_documentation_needs_no_other_host(sqlite_server: Server) -> None:
    client = sqlite_server.anonymous
    page = client.get("/docs")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"https?://", page.text)
    for asset in re.findall(r'(?:src|href)="(/docs/[^"]+)"', page.text):
        answer = client.get(asset)
        assert answer.status_code == 200, asset
        assert answer.content


@pytest.mark.parametrize(
    "name", ["nothing.js", "__init__.py", "..%2Fsettings.py", "%2e%2e", "a%00"]
)
def test_no_other_file_is_served(sqlite_server: Server, name: str) -> None:
    assert sqlite_server.anonymous.get(f"/docs/{name}").status_code == 404


def test_dialects_are_described(sqlite_server: Server) -> None:
    from tests.support.bodies import NAMES

    answer = sqlite_server.member("m@example.com").get("/api/v1/dialects")
    assert answer.status_code == 200
    assert [each["name"] for each in answer.json()["dialects"]] == sorted(NAMES)


def test_the_egress_policy_is_shown_to_admins_and_every_change_is_on_record(
    tmp_path: Path, store_url: str
) -> None:
    def start(**changes: str) -> list[tuple[str | None, str]]:
        settings = settings_for(tmp_path / "home", store_url, **changes)
        with running_server(settings) as server:
            told = server.root.get("/api/v1/egress").json()
            assert told == {"policy": server.house.network.describe()}
            assert_error(server.member(f"{uuid.uuid4()}@example.com").get("/api/v1/egress"), 403)
            page = server.root.get("/api/v1/audit-log?action=egress.policy").json()
        policies = [(row["before"], row["after"]) for row in page["records"]]
        return [
            (before and before["policy"][:10], after["policy"][:10]) for before, after in policies
        ]

    assert start() == [(None, "egress any")]
    assert start() == [(None, "egress any")]
    assert start(egress="list") == [("egress any", "egress lis"), (None, "egress any")]
