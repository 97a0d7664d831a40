"""Tokens at rest: only a digest is kept, and lists never show a token."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta

import pytest

from dragoman import clock
from dragoman.access.principal import OPERATOR, PrincipalKind
from dragoman.api.errors import BadRequest, NotFound
from dragoman.identity import tokens
from dragoman.identity.tokens import TokenDirectory
from tests.support.server import Server


def test_only_the_digest_is_stored(server: Server) -> None:
    token = server.key("ci")
    [row] = server.sql("SELECT * FROM tokens")
    assert token not in repr(row)
    assert token[9:39] not in repr(row)
    assert hashlib.sha256(token.encode()).digest() in [
        bytes(value) for value in row if isinstance(value, bytes | memoryview)
    ]


def test_list_shows_hints(server: Server) -> None:
    server.user("ann@example.com")
    texts = [server.key("ci"), server.personal("ann@example.com", clock.now() + timedelta(days=1))]
    with server.unit() as unit:
        listed = {token.name: token for token in tokens.list_tokens(unit)}
    assert listed["ci"].hint == f"omni_osk_…{texts[0][-4:]}"
    assert (listed["ci"].user, listed["laptop"].user) == (None, "ann@example.com")
    assert listed["ci"].expires_at is None
    assert listed["laptop"].expires_at
    assert not any(text in repr(listed) for text in texts)


def test_whom_a_token_stands_for(server: Server) -> None:
    user = server.user("ann@example.com", admin=True)
    directory = TokenDirectory()
    found = []
    for token in (server.key("ci"), server.personal("ann@example.com")):
        digest = directory.recognise(token)
        assert digest is not None
        with server.unit() as unit:
            found.append(directory.principal(unit, digest))
    key, person = found
    assert key is not None
    assert person is not None
    assert (key.kind, key.name, key.user_id) == (PrincipalKind.ORGANIZATION, "ci", None)
    assert key.organization_admin
    assert (person.kind, person.user_id) == (PrincipalKind.PERSONAL, user.id)
    assert person.organization_admin


def test_personal_token_of_a_member_is_no_admin(server: Server) -> None:
    server.user("bob@example.com")
    directory = TokenDirectory()
    digest = directory.recognise(server.personal("bob@example.com"))
    assert digest is not None
    with server.unit() as unit:
        found = directory.principal(unit, digest)
    assert found is not None
    assert not found.organization_admin


def test_what_is_refused(server: Server) -> None:
    past = clock.now() - timedelta(seconds=1)
    with server.unit() as unit:
        with pytest.raises(BadRequest, match="belongs to a user"):
            tokens.issue(unit, OPERATOR, "personal", None, "x")
        with pytest.raises(BadRequest, match="past"):
            tokens.issue(unit, OPERATOR, "organization", None, "x", past)
        with pytest.raises(NotFound):
            tokens.revoke(unit, OPERATOR, str(uuid.uuid4()))


def test_second_revocation_finds_nothing(server: Server) -> None:
    with server.unit() as unit:
        token_id, _ = tokens.issue(unit, OPERATOR, "organization", None, "x")
        tokens.revoke(unit, OPERATOR, token_id)
        with pytest.raises(NotFound):
            tokens.revoke(unit, OPERATOR, token_id)
