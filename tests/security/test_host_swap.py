"""A saved secret never travels to a new address ("host swap": Superset, Redash, CVE-2023-37379).

Each field of the destination is changed without sending the secret; what a thief's server on the
new address receives is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dragoman.connections import secrets
from dragoman.dialects.properties import DESTINATION, SECRETS
from dragoman.egress import EgressPolicy
from dragoman.vault import Context, Vault, WrongContext
from tests.support.bodies import NAMES, body
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server
from tests.support.servers import serving

# One other value for each field of a destination.
OTHER: dict[str, Any] = {
    "host": "evil.example", "port": 6666, "database": "other", "username": "other",
    "region": "eu-west-1", "trustServerCertificate": True, "authenticationType": None,
    "awsRoleArn": "arn:aws:iam::123456789012:role/evil", "entraTenant": "evil",
    "externalOauthAudience": "evil",
    "externalOauthAuthorizationUrl": "https://evil.example/a",
    "externalOauthTokenUrl": "https://evil.example/t", "hostOverride": "evil.example",
    "oauthClientId": "evil", "useMachineAuth": True, "wifAudience": "evil",
    "wifServiceAccountEmail": "evil@evil.iam.gserviceaccount.com",
    "workspaceHost": "evil.example", "databaseInstance": "evil",
}  # fmt: skip


@dataclass
class Thief:
    """A server that keeps what it is sent."""

    port: int = 0
    received: bytes = b""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self, client: Any) -> None:
        while data := client.recv(4096):
            with self.lock:
                self.received += data
            client.sendall(b"N")


@pytest.fixture
def sqlite_server(shared_sqlite_server: Server) -> Server:
    """Each test makes the connections that it looks at."""
    return shared_sqlite_server


@pytest.fixture
def thief(sqlite_server: Server) -> Iterator[Thief]:
    found = Thief()
    sqlite_server.house.network = EgressPolicy.build(
        "any", loopback=True, resolver=lambda host: ["127.0.0.1"]
    )
    with serving(found.listen) as port:
        found.port = port
        yield found


def test_the_table_has_every_field_of_a_destination() -> None:
    assert set(OTHER) == set(DESTINATION) - {"dialect"}


@pytest.mark.parametrize("dialect", NAMES)
def test_each_field_of_the_destination_needs_the_secret_again(
    sqlite_server: Server, thief: Thief, dialect: str
) -> None:
    sent = body(dialect)
    if not SECRETS & set(sent):
        pytest.skip("this dialect has no secret")
    made = sqlite_server.create(dialect)
    before, row = sqlite_server.show(made), _row(sqlite_server, made)
    asked = 0
    for name, value in OTHER.items():
        if value is None or before.get(name) == value:
            continue
        if name in ("host", "hostOverride", "port"):
            swapped = {name: thief.port if name == "port" else value}
        else:
            swapped = {name: value}
        answer = sqlite_server.root.patch(f"{CONNECTIONS}/{made}", json=swapped)
        refused = assert_error(answer, 400)
        asked += refused.get("code") == "secret_required"
        assert _row(sqlite_server, made) == row, name
    assert asked >= 3
    assert thief.received == b""


def test_the_new_address_hears_nothing_in_any_order_of_calls(
    sqlite_server: Server, thief: Thief
) -> None:
    made = sqlite_server.create("postgres", passwordUnencrypted="stolen-goods")
    one = f"{CONNECTIONS}/{made}"
    swap = {"host": "evil.example", "port": thief.port}
    for attempt in (swap, {**swap, "passwordUnencrypted": None}, {**swap, "name": "x"}):
        assert_error(sqlite_server.root.patch(one, json=attempt), 400)
    assert_error(sqlite_server.root.patch(one, json={**swap, "passwordUnencrypted": ""}), 400)
    # The same body without its secret, as a test of unsaved settings and as a new connection.
    naked = body("postgres", **swap, passwordUnencrypted=None)
    assert_error(sqlite_server.root.post(f"{CONNECTIONS}/test", json=naked), 400)
    assert_error(sqlite_server.root.post(f"{CONNECTIONS}?test=true", json=naked), 400)
    # To the trash and back: the secret is gone by then.
    assert sqlite_server.root.delete(one).status_code == 200
    assert_error(sqlite_server.root.post(f"{one}/restore", json=swap), 400)
    assert thief.received == b""
    fresh = {**swap, "passwordUnencrypted": "another"}
    assert sqlite_server.root.post(f"{one}/restore", json=fresh).status_code == 200
    sqlite_server.root.post(f"{one}/test")
    assert b"stolen-goods" not in thief.received


def test_an_environment_does_not_lend_its_base_secret(sqlite_server: Server, thief: Thief) -> None:
    base = sqlite_server.create("postgres", passwordUnencrypted="of-the-base")
    other = sqlite_server.create(
        "postgres", host="evil.example", port=thief.port, passwordUnencrypted="of-the-other"
    )
    with sqlite_server.unit() as unit:
        assert {k.property for k in secrets.kept(unit, base)} == {"passwordUnencrypted"}
        stored = secrets.kept(unit, base)
        wrong = sqlite_server.show(other)
    with pytest.raises(Exception, match="does not open"):
        secrets.reveal(stored, sqlite_server.house.vault, sqlite_server.settings, other, wrong)


def test_a_sealed_text_that_was_moved_does_not_open(sqlite_server: Server, thief: Thief) -> None:
    """Who can write the store, but has no key, cannot point a secret elsewhere either."""
    made = sqlite_server.create("postgres", passwordUnencrypted="stolen-goods")
    other = sqlite_server.create("postgres", host="evil.example", port=thief.port)
    sqlite_server.sql(
        "UPDATE connection_secrets SET value = (SELECT value FROM connection_secrets"
        " WHERE connection_id = :from_) WHERE connection_id = :to",
        from_=made, to=other,
    )  # fmt: skip
    settings = sqlite_server.sql("SELECT settings FROM connections WHERE id = :id", id=made)[0][0]
    moved = settings.replace("db.example.com", "evil.example").replace("5432", str(thief.port))
    assert moved != settings
    sqlite_server.sql("UPDATE connections SET settings = :s WHERE id = :id", s=moved, id=made)
    for each in (made, other):
        answer = sqlite_server.root.post(f"{CONNECTIONS}/{each}/test").json()
        assert answer["success"] is False
        assert answer["stages"][0]["status"] == "failed"
    assert thief.received == b""


@pytest.mark.parametrize("name", sorted(set(DESTINATION)))
def test_the_seal_itself_is_bound_to_each_field(sqlite_server: Server, name: str) -> None:
    vault: Vault = sqlite_server.house.vault
    settings = {key: f"{key}-value" for key in DESTINATION}
    from dragoman.secret import SecretStr

    here = Context("connection", "1", "passwordUnencrypted", secrets.destination(settings))
    moved = secrets.destination({**settings, name: "other"})
    sealed = vault.seal(SecretStr("x"), here)
    assert vault.open(sealed, here).reveal() == "x"
    with pytest.raises(WrongContext):
        vault.open(sealed, Context("connection", "1", "passwordUnencrypted", moved))


def _row(server: Server, made: str) -> Any:
    return (
        server.sql("SELECT * FROM connections WHERE id = :id", id=made),
        server.sql("SELECT * FROM connection_secrets WHERE connection_id = :id", id=made),
    )
