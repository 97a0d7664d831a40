"""The egress policy holds for every way to an address (CVE-2021-43780, CVE-2023-25504,
CVE-2026-22805): saved, tested, changed, restored, asked; in every spelling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.egress import EgressPolicy
from tests.support.bodies import body
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

NEVER = [
    "169.254.169.254", "169.254.0.1", "[fd00:ec2::254]", "fd00:ec2::254", "fe80::1", "0.0.0.0",
    "::", "255.255.255.255", "224.0.0.1", "ff02::1", "::ffff:169.254.169.254", "2852039166",
    "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "0xa9.254.169.254",
    "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254", "100.100.100.200",
]  # fmt: skip
LOOPBACK = [
    "127.0.0.1", "127.1", "127.8.9.10", "2130706433", "0x7f000001", "0177.0.0.1", "::1", "[::1]",
    "::ffff:127.0.0.1", "localhost", "localhost.", "LOCALHOST", "x.localhost", "0",
]  # fmt: skip
RESOLVED = {
    "metadata.example.com": ["169.254.169.254"],
    "home.example.com": ["127.0.0.1"],
    "mapped.example.com": ["::ffff:127.0.0.1"],
    "both.example.com": ["169.254.169.254", "127.0.0.1"],
}


class Dialled(Exception):
    """A socket was opened."""


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that listens to the world, so that loopback is closed; no socket may be opened."""

    def dial(*_: Any, **__: Any) -> Any:
        raise Dialled

    with running_server(settings_for(tmp_path / "home", host="0.0.0.0")) as server:
        network = server.house.network
        server.house.network = EgressPolicy(
            network.mode, network.allow, network.loopback, network.tls,
            lambda host: RESOLVED.get(host, ["127.0.0.1"]),
        )  # fmt: skip
        monkeypatch.setattr("dragoman.egress.policy.dial", dial)
        monkeypatch.setattr("socket.socket.connect", dial)
        yield server


def _refused(answer: Any) -> None:
    """400, or a diagnosis that ends before a socket."""
    if answer.status_code == 200:
        diagnosis = answer.json()
        assert diagnosis["success"] is False
        stages = {stage["stage"]: stage["status"] for stage in diagnosis["stages"]}
        assert "failed" in (stages["settings"], stages["driver"], stages["dns"])
        assert stages["tcp"] == "skipped"
        return
    assert_error(answer, 400)


@pytest.mark.parametrize("host", [*NEVER, *LOOPBACK, *RESOLVED])
def test_a_denied_host_is_denied_by_every_way(public: Server, host: str) -> None:
    for dialect in ("postgres", "mysql"):
        sent = body(dialect, host=host)
        _refused(public.root.post(f"{CONNECTIONS}/test", json=sent))
        assert_error(public.root.post(f"{CONNECTIONS}?test=true", json=sent), 400)
        made = public.create(dialect)
        changed = public.root.patch(f"{CONNECTIONS}/{made}", json=sent)
        if changed.status_code == 400:
            continue
        # A name is judged when it is dialled: DNS may say something else by then.
        _refused(public.root.post(f"{CONNECTIONS}/{made}/test"))
        asked = public.root.post(f"{CONNECTIONS}/{made}/query", json={"sql": "SELECT 1"})
        assert asked.status_code in (400, 502)
        assert asked.json()["cause"] in ("address_denied", "settings_invalid", "host_not_found")


@pytest.mark.parametrize("field", ["externalOauthTokenUrl", "externalOauthAuthorizationUrl"])
@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "2852039166"])
def test_addresses_of_tokens_pass_the_same_policy(public: Server, field: str, host: str) -> None:
    sent = body("snowflake", **{field: f"https://{host}/latest"})
    assert_error(public.root.post(CONNECTIONS, json=sent), 400)
    made = public.create("snowflake")
    changed = {field: f"https://{host}/latest", "passwordUnencrypted": "new"}
    assert_error(public.root.patch(f"{CONNECTIONS}/{made}", json=changed), 400)


def test_a_name_that_changes_its_mind_is_dialled_where_it_was_judged(tmp_path: Path) -> None:
    """DNS rebinding: the first answer is harmless, the second is the metadata service."""
    answers = iter([["192.0.2.1"]] + [["169.254.169.254"]] * 50)
    dialled: list[str] = []

    def resolver(_host: str) -> list[str]:
        found = next(answers)
        dialled.extend(found)
        return found

    with running_server(settings_for(tmp_path / "home", host="0.0.0.0")) as server:
        server.house.network = EgressPolicy.build("any", resolver=resolver)
        sent = body("postgres", host="rebind.example.com")
        diagnosis = server.root.post(f"{CONNECTIONS}/test", json=sent).json()
    stages = {stage["stage"]: stage for stage in diagnosis["stages"]}
    assert stages["dns"]["status"] == "passed"
    assert stages["tcp"]["status"] == "failed"
    assert "169.254.169.254" in stages["tcp"]["message"] or "may not" in stages["tcp"]["message"]


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.1", "fd12::1", "100.64.0.1"])
def test_the_operator_closes_and_opens_private_networks(tmp_path: Path, host: str) -> None:
    entries = {"10.0.0.1": "10.0.0.0/8", "192.168.1.1": "192.168.0.0/16",
               "fd12::1": "fd12::/16", "100.64.0.1": "100.64.0.0/10"}  # fmt: skip
    sent = body("postgres", host=host)
    with running_server(settings_for(tmp_path / "a", egress="public")) as server:
        assert_error(server.root.post(CONNECTIONS, json=sent), 400)
    allowed = settings_for(tmp_path / "b", egress="public", egress_allow=(entries[host],))
    with running_server(allowed) as server:
        assert server.root.post(CONNECTIONS, json=sent).status_code == 201


def test_a_denied_and_a_closed_port_differ_in_nothing_a_scanner_could_use(public: Server) -> None:
    """A denial names the policy, never whether something listens there."""
    answers = {
        public.root.post(f"{CONNECTIONS}/test", json=body("postgres", host=host, port=port)).text
        for host in ("169.254.169.254",)
        for port in (80, 81, 5432)
    }
    assert len(answers) == 1
