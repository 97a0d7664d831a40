"""What the audit tells of the use of tokens: first use, new addresses, attempts with ended ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.access.principal import OPERATOR, Principal, PrincipalKind
from dragoman.identity import service as identity
from dragoman.identity import tokens
from dragoman.identity.sightings import ADDRESSES_A_DAY, QUIET_SECONDS, Sightings
from dragoman.identity.tokenformat import digest, generate
from dragoman.store import Origin
from tests.support.server import Server


class Place:
    """Sightings of a server, with a clock that is set by hand."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.time = 0.0
        self.seen = self.another()

    def another(self) -> Sightings:
        """Those of another process."""
        return Sightings(lambda: self.time)

    def token(self, name: str = "ci") -> tuple[Principal, str]:
        with self.server.unit() as unit:
            token_id, secret = tokens.issue(unit, OPERATOR, "organization", None, name)
        return Principal(PrincipalKind.ORGANIZATION, name, token_id), secret.reveal()

    def use(self, principal: Principal, address: str, request: str = "r") -> None:
        self.seen.used(principal, Origin(request, address))

    def attempt(self, secret: str, address: str = "10.0.0.9") -> None:
        with self.server.unit() as unit:
            self.seen.refused(unit, digest(secret), Origin("r", address))

    def rows(self) -> list[tuple[Any, ...]]:
        self.seen.flush(self.server.house.store)
        return self.server.sql(
            "SELECT action, actor_name, address, request_id FROM audit_log "
            "WHERE action IN ('token.first_use', 'token.new_address', 'token.refuse') ORDER BY seq"
        )

    def refusals(self) -> list[Any]:
        self.seen.flush(self.server.house.store)
        statement = "SELECT after FROM audit_log WHERE action = 'token.refuse' ORDER BY seq"
        return [json.loads(row[0]) for row in self.server.sql(statement)]


@pytest.fixture
def place(server: Server) -> Place:
    return Place(server)


def test_first_use_and_new_addresses(place: Place) -> None:
    ci, _ = place.token()
    for request, address in (("a", "10.0.0.1"), ("b", "10.0.0.1"), ("c", "10.0.0.2")):
        place.use(ci, address, request)
    expected = [
        ("token.first_use", "ci", "10.0.0.1", "a"),
        ("token.new_address", "ci", "10.0.0.2", "c"),
    ]
    assert place.rows() == expected
    # Another process, or this one after its next start, knows them from the store.
    place.seen = place.another()
    place.use(ci, "10.0.0.2")
    assert place.rows() == expected


def test_a_token_cannot_fill_the_log_with_addresses(place: Place) -> None:
    ci, _ = place.token()
    for number in range(ADDRESSES_A_DAY + 30):
        place.use(ci, f"10.0.1.{number}")
    assert len(place.rows()) == ADDRESSES_A_DAY
    other, _ = place.token("other")
    place.use(other, "10.0.0.1")
    assert len(place.rows()) == ADDRESSES_A_DAY + 1


def test_a_token_of_an_older_version_was_used_before(place: Place) -> None:
    ci, _ = place.token()
    place.server.sql("UPDATE tokens SET last_used_at = '2026-01-01T00:00:00.000Z'")
    place.use(ci, "10.0.0.1")
    assert [row[0] for row in place.rows()] == ["token.new_address"]


def test_attempts_with_an_ended_token_are_told_once_an_hour(place: Place) -> None:
    ci, secret = place.token()
    with place.server.unit() as unit:
        tokens.revoke(unit, OPERATOR, ci.token_id or "")
    for number in range(500):
        place.attempt(secret, f"10.1.{number // 250}.{number % 250}")
    first = {"reason": "revoked", "attempts": 500}
    assert place.refusals() == [first]
    for _ in range(7):
        place.attempt(secret)
    place.time += QUIET_SECONDS - 1
    assert place.refusals() == [first]
    place.time += 2
    assert place.refusals() == [first, {"reason": "revoked", "attempts": 7}]
    place.time += QUIET_SECONDS * 2
    assert len(place.refusals()) == 2
    assert place.seen._attempts == {}  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("expired", "UPDATE tokens SET expires_at = '2020-01-01T00:00:00.000Z'"),
        ("disabled", "UPDATE tokens SET enabled = false"),
        ("rotated", None),
    ],
)
def test_why_a_token_is_refused(place: Place, reason: str, end: str | None) -> None:
    ci, secret = place.token()
    with place.server.unit() as unit:
        if end is None:
            tokens.rotate(unit, OPERATOR, ci.token_id or "", hours=1)
    place.server.sql(end or "UPDATE tokens SET previous_until = '2020-01-01T00:00:00.000Z'")
    place.attempt(secret)
    assert [each["reason"] for each in place.refusals()] == [reason]


def test_what_was_never_a_token_leaves_no_row(place: Place) -> None:
    _, secret = place.token()
    place.attempt(generate("organization").reveal())
    place.attempt(secret)  # this one is good
    assert place.rows() == []
    assert place.seen._attempts == {}  # pyright: ignore[reportPrivateUsage]


def test_over_http(server: Server) -> None:
    user = server.user("ann@example.com")
    token = server.personal("ann@example.com")
    ann = server.client(token)
    assert ann.get("/api/v1/connections").status_code == 200
    assert ann.get("/api/v1/connections").status_code == 200
    with server.unit() as unit:
        identity.set_disabled(unit, OPERATOR, user, disabled=True)
    assert ann.get("/api/v1/connections").status_code == 401
    assert (
        server.client(token[:-1] + ("a" if token[-1] != "a" else "b"))
        .get("/api/v1/connections")
        .status_code
        == 401
    )
    server.house.authenticator.flush(server.house.store)
    rows = server.root.get("/api/v1/audit-log?actorName=ann@example.com").json()["records"]
    found = {row["action"]: row for row in rows if row["action"].startswith("token.")}
    assert set(found) == {"token.first_use", "token.refuse"}
    assert found["token.refuse"]["after"] == {"reason": "suspended", "attempts": 1}
    assert found["token.refuse"]["actorUserId"] == user.id
    assert all(row["address"] == "127.0.0.1" and row["requestId"] for row in found.values())
    assert token not in json.dumps(rows)
