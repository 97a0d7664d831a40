"""Sealing: what opens, what does not, and that rotation loses nothing."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dragoman.secret import SecretStr
from dragoman.vault import (
    KEY_FILE_NAME,
    Context,
    Damaged,
    KeyRing,
    KeyRingSource,
    UnknownKey,
    Vault,
    VaultError,
    WrongContext,
    render_keyring,
    rewrap_batches,
    update_keyring,
)

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CANARY = "cAnArY-7f3a"
CONTEXT = Context(
    "connection",
    "6f0f6a1e-6f0e-4b5e-9f61-0d9a5a3a7f11",
    "passwordUnencrypted",
    {"dialect": "postgres", "host": "db.example", "port": 5432, "database": "d", "user": None},
)
secret_texts = st.text(alphabet=st.characters(exclude_categories=()), max_size=60)


class FixedRing:
    """A source whose ring the test exchanges by hand."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring

    def current(self) -> KeyRing:
        return self.ring

    def refreshed(self) -> KeyRing:
        return self.ring


def new_vault() -> Vault:
    return Vault(FixedRing(KeyRing.generate()))


VAULT = new_vault()
SEALED = VAULT.seal(SecretStr(CANARY), CONTEXT)


@given(secret_texts)
def test_what_is_sealed_opens(text: str) -> None:
    opened = VAULT.open(VAULT.seal(SecretStr(text), CONTEXT), CONTEXT)
    assert opened.reveal() == text


def test_the_form() -> None:
    version, key_id, wrapped, nonce, ciphertext = SEALED.split(".")
    sizes = [
        len(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        for part in (wrapped, nonce, ciphertext)
    ]
    assert version == "v1"
    assert key_id == VAULT.key_id(SEALED)
    assert sizes == [12 + 32 + 16, 12, len(CANARY) + 16]
    assert "=" not in SEALED


def test_the_same_secret_never_seals_to_the_same_parts() -> None:
    sealed = [VAULT.seal(SecretStr("same"), CONTEXT).split(".")[2:] for _ in range(50)]
    assert all(len(set(parts)) == 50 for parts in zip(*sealed, strict=True))


def changed_contexts() -> Iterator[Context]:
    for name in ("resource", "resource_id", "property"):
        yield replace(CONTEXT, **{name: getattr(CONTEXT, name) + "x"})
        yield replace(CONTEXT, **{name: ""})
    destination = dict(CONTEXT.destination)
    for name, value in destination.items():
        yield replace(CONTEXT, destination={**destination, name: "other"})
        yield replace(CONTEXT, destination={**destination, name: 1})
        if value is not None:
            yield replace(CONTEXT, destination={**destination, name: None})
            kept = {k: v for k, v in destination.items() if k != name}
            yield replace(CONTEXT, destination=kept)
    yield replace(CONTEXT, destination={**destination, "port": "5432"})
    yield replace(CONTEXT, destination={**destination, "new": ""})


@pytest.mark.parametrize("context", list(changed_contexts()), ids=repr)
def test_any_change_of_the_context_is_a_wrong_context(context: Context) -> None:
    with pytest.raises(WrongContext):
        VAULT.open(SEALED, context)


texts = st.text(max_size=8)
contexts = st.builds(
    Context,
    texts,
    texts,
    texts,
    st.dictionaries(texts, st.one_of(texts, st.integers()), max_size=3),
)


@given(contexts, contexts)
def test_two_contexts_never_open_each_other(one: Context, other: Context) -> None:
    assume(one != other)
    with pytest.raises(WrongContext):
        VAULT.open(VAULT.seal(SecretStr("s"), one), other)


@pytest.mark.parametrize("text", ["p", "pw", "pwd"])  # 4, 0 and 2 spare bits at the end
def test_every_change_of_one_character_is_refused(text: str) -> None:
    vault = new_vault()
    sealed = vault.seal(SecretStr(text), CONTEXT)
    for place, old in enumerate(sealed):
        for new in BASE64URL + ".= \n":
            if new == old:
                continue
            with pytest.raises((Damaged, UnknownKey)):
                vault.open(sealed[:place] + new + sealed[place + 1 :], CONTEXT)


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_any_flipped_byte_is_refused(place: int, mask: int) -> None:
    data = bytearray(SEALED.encode())
    data[place] ^= mask
    changed = data.decode("latin-1")
    with pytest.raises((Damaged, UnknownKey)):
        VAULT.open(changed, CONTEXT)


@given(st.text(max_size=80) | st.from_regex(r"v1\.[0-9a-f]{8}(\.[\w-]{0,40}){3}", fullmatch=True))
def test_any_other_text_is_refused_as_a_vault_error(text: str) -> None:
    with pytest.raises((Damaged, UnknownKey)):
        VAULT.open(text, CONTEXT)


@given(st.integers(0, len(SEALED) - 1))
def test_a_cut_text_is_refused(length: int) -> None:
    with pytest.raises((Damaged, UnknownKey)):
        VAULT.open(SEALED[:length], CONTEXT)


def test_parts_of_two_sealed_texts_do_not_mix() -> None:
    other = VAULT.seal(SecretStr("other"), CONTEXT)
    for place in range(2, 5):
        mixed = SEALED.split(".")
        mixed[place] = other.split(".")[place]
        with pytest.raises(Damaged):
            VAULT.open(".".join(mixed), CONTEXT)


def test_another_ring_does_not_open() -> None:
    with pytest.raises(UnknownKey) as caught:
        new_vault().open(SEALED, CONTEXT)
    assert VAULT.key_id(SEALED) in caught.value.message
    with pytest.raises(UnknownKey):
        new_vault().rewrap(SEALED)


def test_a_key_id_of_the_same_ring_cannot_be_put_in_place() -> None:
    source = FixedRing(KeyRing.generate().rotated())
    vault = Vault(source)
    sealed = vault.seal(SecretStr("s"), CONTEXT)
    primary, retired = source.ring.ids
    with pytest.raises(Damaged):
        vault.open(sealed.replace(primary, retired), CONTEXT)


def test_rewrap_changes_only_the_wrapped_data_key() -> None:
    source = FixedRing(KeyRing.generate())
    vault = Vault(source)
    sealed = vault.seal(SecretStr("s"), CONTEXT)
    assert vault.rewrap(sealed) is None
    source.ring = source.ring.rotated()
    renewed = vault.rewrap(sealed)
    assert renewed is not None
    assert vault.key_id(renewed) == source.ring.primary.id
    assert renewed.split(".")[3:] == sealed.split(".")[3:]
    assert renewed.split(".")[2] != sealed.split(".")[2]
    assert vault.rewrap(renewed) is None


def test_rewrap_refuses_a_changed_ciphertext_and_so_does_not_bless_it() -> None:
    source = FixedRing(KeyRing.generate())
    vault = Vault(source)
    sealed = vault.seal(SecretStr("s"), CONTEXT)
    source.ring = source.ring.rotated()
    other = vault.seal(SecretStr("t"), CONTEXT)
    with pytest.raises(Damaged):
        vault.rewrap(".".join(sealed.split(".")[:4] + other.split(".")[4:]))


@given(st.lists(secret_texts, max_size=8), st.integers(0, 8))
def test_everything_opens_before_during_and_after_a_rotation(texts: list[str], done: int) -> None:
    source = FixedRing(KeyRing.generate())
    vault = Vault(source)
    old = source.ring.primary.id
    contexts = {row: replace(CONTEXT, resource_id=str(row)) for row in range(len(texts))}
    rows = {row: vault.seal(SecretStr(text), contexts[row]) for row, text in enumerate(texts)}

    def all_open() -> bool:
        opened = [vault.open(rows[row], contexts[row]).reveal() for row in rows]
        return opened == texts

    assert all_open()
    source.ring = source.ring.rotated()
    assert all_open()
    for count, (row, renewed) in enumerate(rewrap_batches(list(rows.items()), vault)):
        if count == done:
            break
        rows[row] = renewed
    assert all_open()
    again = dict(rewrap_batches(list(rows.items()), vault))
    assert len(again) == max(len(texts) - done, 0)
    rows |= again
    assert list(rewrap_batches(rows.items(), vault)) == []
    source.ring = source.ring.without([old])
    assert all_open()


def test_rewrap_batches_is_lazy() -> None:
    source = FixedRing(KeyRing.generate())
    vault = Vault(source)
    sealed = vault.seal(SecretStr("s"), CONTEXT)
    source.ring = source.ring.rotated()
    taken: list[int] = []

    def rows() -> Iterator[tuple[int, str]]:
        for row in range(10):
            taken.append(row)
            yield row, sealed

    next(rewrap_batches(rows(), vault))
    assert taken == [0]


def test_one_bad_row_stops_a_rewrap_unless_the_caller_takes_note() -> None:
    source = FixedRing(KeyRing.generate())
    vault = Vault(source)
    good = vault.seal(SecretStr("s"), CONTEXT)
    source.ring = source.ring.rotated()
    rows = [(1, "broken"), (2, SEALED), (3, good)]
    with pytest.raises(Damaged):
        list(rewrap_batches(rows, vault))
    bad: dict[int, VaultError] = {}
    renewed = list(rewrap_batches(rows, vault, bad.__setitem__))
    assert [row for row, _ in renewed] == [3]
    assert {row: type(error) for row, error in bad.items()} == {1: Damaged, 2: UnknownKey}


def test_a_running_vault_follows_the_key_file(tmp_path: Path) -> None:
    running = Vault(KeyRingSource(home=tmp_path))
    before = running.seal(SecretStr("s"), CONTEXT)
    update_keyring(tmp_path / KEY_FILE_NAME, KeyRing.rotated)
    elsewhere = Vault(KeyRingSource(home=tmp_path)).seal(SecretStr("t"), CONTEXT)
    assert running.open(elsewhere, CONTEXT).reveal() == "t"
    assert running.open(before, CONTEXT).reveal() == "s"
    assert running.key_id(running.seal(SecretStr("u"), CONTEXT)) == running.key_id(elsewhere)


def test_an_unknown_key_id_makes_the_vault_look_again() -> None:
    class Stale(FixedRing):
        def refreshed(self) -> KeyRing:
            self.ring = newer
            return self.ring

    source = Stale(KeyRing.generate())
    newer = source.ring.rotated()
    sealed = Vault(FixedRing(newer)).seal(SecretStr("s"), CONTEXT)
    assert Vault(source).open(sealed, CONTEXT).reveal() == "s"


def test_errors_hold_no_part_of_the_secret() -> None:
    def fail(attempt) -> str:
        try:
            attempt()
        except VaultError as error:
            return "".join(traceback.format_exception(error))
        raise AssertionError("nothing was raised")

    told = [
        fail(lambda: VAULT.open(SEALED, replace(CONTEXT, resource_id="x"))),
        fail(lambda: VAULT.open(SEALED[:-1], CONTEXT)),
        fail(lambda: new_vault().open(SEALED, CONTEXT)),
        fail(lambda: VAULT.open(CANARY, CONTEXT)),
    ]
    for text in told:
        assert CANARY not in text
        assert SEALED.split(".")[2] not in text
        assert SEALED.split(".")[4] not in text


def test_what_is_kept_does_not_show_the_secret_or_the_key() -> None:
    ring = KeyRing.generate()
    vault = Vault(FixedRing(ring))
    sealed = vault.seal(SecretStr(CANARY), CONTEXT)
    assert CANARY not in sealed
    assert base64.urlsafe_b64encode(CANARY.encode()).decode().rstrip("=") not in sealed
    assert ring.primary.to_base64().reveal() not in repr(vars(vault)) + sealed
    assert '"key"' in render_keyring(ring).reveal()


@given(st.binary(max_size=40), st.binary(max_size=40), st.text(max_size=5), st.text(max_size=5))
def test_a_fingerprint_matches_its_data_and_purpose_only(
    data: bytes, other: bytes, purpose: str, other_purpose: str
) -> None:
    made = VAULT.fingerprint(data, purpose)
    assert made == VAULT.fingerprint(data, purpose)
    assert VAULT.matches(made, data, purpose)
    assert VAULT.matches(made, other, other_purpose) == ((data, purpose) == (other, other_purpose))


def test_a_fingerprint_survives_rotation_while_its_key_is_kept() -> None:
    source = FixedRing(KeyRing.generate())
    vault = Vault(source)
    old = source.ring.primary.id
    made = vault.fingerprint(b"body", "idempotency")
    source.ring = source.ring.rotated()
    assert vault.matches(made, b"body", "idempotency")
    assert vault.fingerprint(b"body", "idempotency") != made
    source.ring = source.ring.without([old])
    assert not vault.matches(made, b"body", "idempotency")


@pytest.mark.parametrize("spoil", [str.upper, lambda t: t[:-1], lambda t: t + "\n", lambda t: ""])
def test_a_malformed_fingerprint_matches_nothing(spoil) -> None:
    made = VAULT.fingerprint(b"body", "p")
    assert not VAULT.matches(spoil(made), b"body", "p")
