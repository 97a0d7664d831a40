"""The ring: what counts as a key, how it changes, how it is written."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.secret import SecretStr
from dragoman.vault import Key, KeyRing, KeyRingError, parse_keyring, render_keyring


def base64_key(material: bytes | None = None) -> str:
    return base64.b64encode(material or secrets.token_bytes(32)).decode()


def test_the_id_is_the_start_of_the_sha256_of_the_key() -> None:
    material = secrets.token_bytes(32)
    assert Key(material).id == hashlib.sha256(material).hexdigest()[:8]


def test_two_fresh_rings_differ() -> None:
    assert KeyRing.generate().primary != KeyRing.generate().primary


def test_derived_keys_differ_by_purpose_and_by_key_and_are_not_the_key() -> None:
    material = secrets.token_bytes(32)
    one, other = Key(material), Key.generate()
    derived = {one.derive("a"), one.derive("b"), other.derive("a"), material}
    assert len(derived) == 4
    assert one.derive("a") == Key(material).derive("a")


@pytest.mark.parametrize(
    "material",
    [
        bytes(32),
        b"\xff" * 32,
        b"k" * 32,
        b"\x01\x02" * 16,
        bytes(range(32)),
        bytes(range(31, -1, -1)),
        b"changeme".ljust(32, b"\0"),
        b"changeme" * 4,
        b"thisISaSECRET_1234, thisISaSECRE",
        b"correct horse battery staple".ljust(32, b"\0"),
        b"correct horse battery staple".rjust(32, b"\0"),
        b"correct horse battery staple".ljust(32, b"\x04"),
        b"0123456789abcdef" * 2,
    ],
)
def test_weak_keys_are_refused(material: bytes) -> None:
    with pytest.raises(KeyRingError, match="not random"):
        Key(material)


@pytest.mark.parametrize("length", [0, 1, 16, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(KeyRingError, match=f"{length} bytes"):
        Key(secrets.token_bytes(length))


@given(st.binary())
def test_random_keys_are_accepted_and_survive_text(seed: bytes) -> None:
    material = hashlib.sha256(seed).digest()
    key = Key(material)
    assert Key.from_base64(key.to_base64()) == key


def test_base64_is_read_in_both_alphabets_and_without_padding() -> None:
    material = b"\xfb\xff\xfe" + secrets.token_bytes(29)
    for text in (base64.b64encode(material), base64.urlsafe_b64encode(material)):
        assert Key.from_base64(SecretStr(text.decode())) == Key(material)
        assert Key.from_base64(SecretStr(text.decode().rstrip("="))) == Key(material)


def test_rotation_adds_a_primary_and_keeps_the_others_in_order() -> None:
    first = KeyRing.generate()
    third = first.rotated().rotated()
    assert len(set(third.ids)) == 3
    assert third.ids[2] == first.primary.id
    assert third.find(first.primary.id) == first.primary
    assert third.find("00000000") is None


def test_without_drops_retired_keys_only() -> None:
    ring = KeyRing.generate().rotated().rotated()
    smaller = ring.without([ring.ids[1]])
    assert smaller.ids == (ring.ids[0], ring.ids[2])
    assert ring.without([]) == ring
    with pytest.raises(KeyRingError, match="primary"):
        ring.without([ring.primary.id])
    with pytest.raises(KeyRingError, match="no key ffffffff"):
        ring.without(["ffffffff"])


def test_the_same_key_twice_is_refused() -> None:
    key = Key.generate()
    with pytest.raises(KeyRingError, match="twice"):
        KeyRing(key, (key,))


def test_json_round_trip() -> None:
    ring = KeyRing.generate().rotated().rotated()
    assert parse_keyring(render_keyring(ring)) == ring


def test_a_comma_list_names_the_primary_first() -> None:
    texts = [base64_key() for _ in range(3)]
    ring = parse_keyring(SecretStr(" , ".join(texts) + "\n"))
    assert [key.to_base64().reveal() for key in ring] == texts


def test_a_key_under_another_id_is_refused() -> None:
    ring = KeyRing.generate().rotated()
    document = json.loads(render_keyring(ring).reveal())
    document["primary"]["id"], document["retired"][0]["id"] = ring.ids[1], ring.ids[0]
    with pytest.raises(KeyRingError, match="another id"):
        parse_keyring(SecretStr(json.dumps(document)))


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "{", "{}", "not base64!", ",", "changeme", '{"version": 1}', '{"version": "1"}'],
)
def test_text_that_is_no_ring_is_refused(text: str) -> None:
    with pytest.raises(KeyRingError):
        parse_keyring(SecretStr(text))


def test_another_version_is_refused() -> None:
    text = render_keyring(KeyRing.generate()).reveal().replace('"version": 1', '"version": 2')
    with pytest.raises(KeyRingError, match="version 2"):
        parse_keyring(SecretStr(text))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: f'{{"version": 1, "primary": {{"id": "x", "{key}": 1}}}}',
        lambda key: f'{{"version": 1, "primary": "{key}"}}',
        lambda key: f'{{"version": 1, "{key}"',
        lambda key: f"{key}!",
        lambda key: f"{key},{key}",
        lambda key: key[:-8],
        lambda key: f'{{"version": 1, "primary": {{"id": "00000000", "key": "{key}"}}}}',
    ],
)
def test_errors_do_not_hold_the_key(spoil) -> None:
    key = base64_key()
    with pytest.raises(KeyRingError) as caught:
        parse_keyring(SecretStr(spoil(key)))
    error: BaseException | None = caught.value
    while error is not None:
        assert key[:12] not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


def test_keys_and_rings_do_not_print_and_are_not_copied_out() -> None:
    material = secrets.token_bytes(32)
    ring = KeyRing(Key(material))
    assert repr(ring.primary) == f"Key({ring.primary.id})"
    assert base64_key(material) not in repr(ring)
    assert repr(material) not in repr(ring)
    with pytest.raises(TypeError):
        copy.copy(ring.primary)
