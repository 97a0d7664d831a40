"""The chain of the audit: what shows, and what keeps it whole."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from dragoman import audit, clock
from dragoman.access.principal import OPERATOR
from dragoman.access.roles import Role
from dragoman.audit import chain
from dragoman.secret import SecretStr
from dragoman.store import Store, migrations
from dragoman.vault import KEY_FILE_NAME, KeyRing, update_keyring
from tests.support.clients import at_once
from tests.support.server import Server, running_server, settings_for


def write(server: Server, count: int = 6) -> None:
    for number in range(count):
        server.custom_role(f"role {number}", Role.VIEWER)


def verdict(server: Server, kept: str | None = None) -> audit.Verdict:
    found = None
    if kept is not None:
        number, _, mac = kept.partition(":")
        found = int(number), bytes.fromhex(mac)
    with server.house.store.look() as unit:
        return audit.verify(unit, found)


def problems(server: Server, kept: str | None = None) -> str:
    return " ".join(verdict(server, kept).problems)


def test_what_is_written_is_whole_and_numbered_without_gaps(server: Server) -> None:
    write(server)
    with server.house.store.look() as unit:  # a unit that is not committed
        audit.record(unit, OPERATOR, "lost", ("role", "r"))
    numbers = [(number,) for number in range(1, 8)]
    assert server.sql("SELECT seq FROM audit_log ORDER BY seq") == numbers
    found = verdict(server)
    assert (found.whole, found.rows, found.unkeyed, found.number) == (True, 7, 0, 7)
    assert verdict(server, found.head).whole


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        ("DELETE FROM audit_log WHERE seq = 3", "Row 3 is missing"),
        ("DELETE FROM audit_log WHERE seq IN (3, 4)", "Rows 3 to 4 are missing"),
        ("DELETE FROM audit_log WHERE seq = 1", "Row 1 is missing"),
        ("DELETE FROM audit_log WHERE seq = 7", "last row is 6, the head says 7"),
        ("UPDATE audit_log SET actor_name = 'nobody' WHERE seq = 4", "Row 4 was changed"),
        ("UPDATE audit_log SET after = NULL WHERE seq = 4", "Row 4 was changed"),
        ("UPDATE audit_log SET address = address || ' ' WHERE seq = 4", "Row 4 was changed"),
        ("UPDATE audit_log SET key_id = NULL WHERE seq = 4", "Row 4 has no key"),
        ("UPDATE audit_log SET seq = 9 WHERE seq = 7", "Rows 7 to 8 are missing"),
        ("UPDATE audit_chain SET number = 6", "last row is 7, the head says 6"),
        ("UPDATE audit_chain SET anchor_number = 1", "anchor of forgotten rows has no seal"),
        ("DELETE FROM audit_log", "last row is 0"),
        ("DELETE FROM audit_chain", "head of the chain is gone"),
    ],
)
def test_removals_and_changes_show(server: Server, tamper: str, told: str) -> None:
    write(server)
    assert verdict(server).whole
    server.sql(tamper)
    assert told in problems(server)


def test_rows_in_another_order_show(server: Server) -> None:
    write(server)
    for old, new in ((3, 100), (4, 3), (100, 4)):
        server.sql("UPDATE audit_log SET seq = :new WHERE seq = :old", old=old, new=new)
    told = problems(server)
    assert "Row 3 was changed" in told
    assert "Row 4 was changed" in told


def test_a_tail_that_was_cut_off_with_its_head_shows_against_a_kept_head(server: Server) -> None:
    write(server)
    kept = verdict(server).head
    server.sql("DELETE FROM audit_log WHERE seq > 5")
    server.sql("UPDATE audit_chain SET number = 5, mac = (SELECT mac FROM audit_log WHERE seq = 5)")
    assert verdict(server).whole  # nothing in the store tells
    assert "Rows 6 to 7 are missing at the end" in problems(server, kept)
    server.custom_role("role x", Role.VIEWER)
    server.custom_role("role y", Role.VIEWER)
    assert verdict(server).whole
    assert "Row 7 is not the one that was kept" in problems(server, kept)


def test_who_has_no_key_cannot_compute_the_chain_again(server: Server) -> None:
    write(server)
    server.sql("UPDATE audit_log SET actor_name = 'nobody' WHERE seq = 7")
    with server.house.store.look() as unit:
        [row] = [each for each in chain._rows(unit) if each["seq"] == 7]
        [before] = [each for each in chain._rows(unit) if each["seq"] == 6]
    forged = chain._row_mac(None, bytes(before["mac"]), 7, None, chain.content(row))
    server.sql("UPDATE audit_log SET mac = :mac, key_id = NULL WHERE seq = 7", mac=forged)
    server.sql("UPDATE audit_chain SET mac = :mac", mac=forged)
    assert "Row 7 has no key, though rows before it have one" in problems(server)


def test_retention_keeps_it_verifiable(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    write(server, 3)
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=9))
    server.custom_role("late", Role.VIEWER)
    kept = verdict(server).head
    with server.unit() as unit:
        assert audit.forget(unit, days=5) == 4
    found = verdict(server, kept)
    assert (found.whole, found.first, found.rows) == (True, 5, 1)
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=20))
    with server.unit() as unit:
        assert audit.forget(unit, days=5) == 1
        assert audit.forget(unit, days=5) == 0
    assert server.sql("SELECT count(*) FROM audit_log") == [(0,)]
    assert verdict(server, kept).whole
    server.custom_role("later", Role.VIEWER)
    assert server.sql("SELECT seq FROM audit_log") == [(6,)]
    found = verdict(server)
    assert (found.whole, found.first, found.rows) == (True, 6, 1)
    # Who moves the anchor over rows that are there still cannot seal it.
    server.custom_role("latest", Role.VIEWER)
    server.sql("DELETE FROM audit_log WHERE seq = 6")
    assert "Row 6 is missing" in problems(server)
    server.sql("UPDATE audit_chain SET anchor_number = 6")
    assert "anchor of forgotten rows was changed" in problems(server)


def test_rows_survive_a_rotation_of_keys_and_tell_of_a_lost_one(server: Server) -> None:
    write(server, 2)
    path = server.home / KEY_FILE_NAME
    old = server.house.keys.current().primary.id
    update_keyring(path, KeyRing.rotated)
    server.custom_role("role new", Role.VIEWER)
    assert {row[0] for row in server.sql("SELECT key_id FROM audit_log")} == {
        old, server.house.keys.current().primary.id,
    }  # fmt: skip
    assert verdict(server).whole
    update_keyring(path, lambda ring: ring.without([old]))
    found = verdict(server)
    assert (found.whole, found.unknown, found.problems) == (False, {old: 3}, [])


def test_rows_of_a_store_without_keys_are_bound_by_the_first_row_of_a_server(
    tmp_path: Path, empty_store_url: str
) -> None:
    settings = settings_for(tmp_path / "home", empty_store_url)
    settings.make_home()
    store = Store(settings.store_url)
    migrations.upgrade(store, "0015")
    with store.begin() as unit:
        for number in (3, 4, 9):  # with the gaps that a roll-back left
            unit.db.execute(
                text(
                    "INSERT INTO audit_log (seq, id, at, actor_kind, actor_name, action,"
                    " resource_type, resource_id, request_id, address, after) VALUES"
                    " (:n, 'i', '2026-01-01T00:00:00.000Z', 'operator', 'é', 'a', 't', 'r', '',"
                    " '', '{}')"
                ),
                {"n": number},
            )
    migrations.ensure_current(store)
    store.close()
    for _ in range(2):
        with running_server(settings) as server:
            found = verdict(server)
            assert found.problems == []
            assert (found.rows, found.unkeyed) == (4, 3)  # that of the egress policy binds them
            assert server.sql("SELECT seq FROM audit_log ORDER BY seq") == [
                (number,) for number in range(1, 5)
            ]
    with running_server(settings) as server:
        server.sql("UPDATE audit_log SET actor_name = 'e' WHERE seq = 2")
        assert "Row 2 was changed" in problems(server)


def test_without_any_keyed_row_one_is_written(server: Server) -> None:
    server.sql("UPDATE audit_log SET key_id = NULL")
    with server.unit() as unit:
        assert audit.bind_old_rows(unit) == 1
    write(server, 1)
    with server.unit() as unit:
        assert audit.bind_old_rows(unit) is None


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), min_size=2, max_size=2))
def test_no_two_rows_have_the_same_content(pairs: list[tuple[str, str]]) -> None:
    """Values that run into each other (`ab`, `c` and `a`, `bc`) are told apart."""
    rows = [
        {**dict.fromkeys(chain._VALUES), "before": before, "after": after}
        for before, after in pairs
    ]
    try:
        same = chain.content(rows[0]) == chain.content(rows[1])
    except UnicodeEncodeError:
        return
    assert same is (pairs[0] == pairs[1])


def test_a_text_that_cannot_be_written_fails_its_own_unit(server: Server) -> None:
    with server.unit() as unit, pytest.raises(UnicodeEncodeError):
        audit.record(unit, OPERATOR, "x", ("role", "\ud800"))
    assert verdict(server).whole


WRITE = """
import sys
from pathlib import Path
from dragoman import audit
from dragoman.access.principal import OPERATOR
from dragoman.secret import SecretStr
from dragoman.store import Store
from dragoman.vault import KeyRingSource, Signer
url, home = sys.stdin.read().splitlines()
keys = KeyRingSource(home=Path(home))
store = Store(SecretStr(url), Signer(lambda: keys, audit.PURPOSE))
for number in range(40):
    with store.begin() as unit:
        for part in range(2):
            audit.record(unit, OPERATOR, "write", ("role", f"{number}.{part}"))
store.close()
"""


def test_processes_that_write_at_once_make_one_chain(server: Server) -> None:
    url: SecretStr = server.settings.store_url

    def run(_: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", WRITE],
            input=f"{url.reveal()}\n{server.home}",
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    assert at_once(2, run) == ["", ""]
    found = verdict(server)
    assert (found.problems, found.rows) == ([], 161)


def test_requests_that_share_a_commit_make_one_chain(server: Server) -> None:
    root = server.root
    at_once(
        16,
        lambda number: root.post(
            "/api/v1/api-keys", json={"type": "organization", "name": f"k{number}"}
        ),
    )
    found = verdict(server)
    assert (found.problems, found.rows) == ([], 18)
