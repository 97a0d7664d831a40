"""The key ring: one primary key that seals, and retired keys that only open.

A key is 32 random bytes. Its id is the first 8 hex digits of its SHA-256, so that no file and no
person can attach the id to another key. The keys of a ring never seal data themselves: each
purpose gets its own key by HKDF (RFC 5869), and no two purposes share one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dragoman.secret import SecretStr
from dragoman.vault.errors import KeyRingError

KEY_BYTES = 32
_FEWEST_DISTINCT_BYTES = 16  # 32 random bytes hold fewer once in 10**12 keys
_BASE64 = re.compile(r"[0-9A-Za-z+/_-]+={0,2}")
_NEW_KEY_FIX = "make one with `openssl rand -base64 32`."


class Key:
    """One 256-bit key-encryption key. It has an id and derives keys; it never shows itself."""

    __slots__ = ("_derived", "_material", "id")

    def __init__(self, material: bytes) -> None:
        """Takes exactly 32 bytes; raises `KeyRingError` for another length or a guessable key."""
        _refuse_weak(material)
        self._material = material
        self._derived: dict[str, bytes] = {}
        self.id = hashlib.sha256(material).hexdigest()[:8]

    @classmethod
    def generate(cls) -> Key:
        """A fresh key from the system's random source."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_base64(cls, text: SecretStr) -> Key:
        """Reads 32 bytes in base64, either alphabet, padding optional (RFC 4648)."""
        material = _decode_base64(text.reveal())
        if material is None:
            raise KeyRingError("A key is not valid base64.", _NEW_KEY_FIX)
        return cls(material)

    def to_base64(self) -> SecretStr:
        """The key itself, for the key file only."""
        return SecretStr(base64.b64encode(self._material).decode())

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, by HKDF-SHA-256 with the purpose as `info`.

        Kept, since the key itself is; purposes are few.
        """
        kept = self._derived.get(purpose)
        if kept is None:
            hkdf = HKDF(SHA256(), KEY_BYTES, salt=None, info=f"dragoman/{purpose}".encode())
            kept = self._derived[purpose] = hkdf.derive(self._material)
        return kept

    def __repr__(self) -> str:
        return f"Key({self.id})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        return secrets.compare_digest(self._material, other._material)

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The primary key seals; it and the retired keys open. Immutable: a change makes a new ring."""

    primary: Key
    retired: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.ids):
            raise KeyRingError("The key ring lists the same key twice.", "remove one of the two.")

    @classmethod
    def generate(cls) -> KeyRing:
        """A ring of one fresh key."""
        return cls(Key.generate())

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the primary first."""
        return tuple(key.id for key in self)

    def find(self, key_id: str) -> Key | None:
        """The key with this id, or None."""
        return next((key for key in self if key.id == key_id), None)

    def rotated(self) -> KeyRing:
        """A ring with a fresh primary key; all keys of this one stay as retired keys."""
        return KeyRing(Key.generate(), tuple(self))

    def without(self, ids: Collection[str]) -> KeyRing:
        """A ring that lacks these retired keys. What they sealed can never be opened again.

        Raises `KeyRingError` when an id is the primary key's or is not in the ring.
        """
        if self.primary.id in ids:
            raise KeyRingError(
                f"Key {self.primary.id} is the primary key and cannot be removed.", "rotate first."
            )
        unknown = sorted(set(ids) - set(self.ids))
        if unknown:
            raise KeyRingError(f"The key ring has no key {', '.join(unknown)}.")
        return KeyRing(self.primary, tuple(key for key in self.retired if key.id not in ids))

    def __iter__(self) -> Iterator[Key]:
        yield self.primary
        yield from self.retired


class _KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    key: str

    def __repr__(self) -> str:
        return f"_KeyEntry({self.id})"


class _RingDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    primary: _KeyEntry
    retired: list[_KeyEntry] = []


def parse_keyring(text: SecretStr) -> KeyRing:
    """Reads a ring from the JSON that `render_keyring` writes, or from a comma list of base64 keys.

    In the list the first key is the primary one. Raises `KeyRingError`.
    """
    plain = text.reveal().strip()
    if not plain:
        raise KeyRingError("The key ring is empty.", _NEW_KEY_FIX)
    if plain.startswith("{"):
        return _parse_document(plain)
    keys = [Key.from_base64(SecretStr(part.strip())) for part in plain.split(",")]
    return KeyRing(keys[0], tuple(keys[1:]))


def render_keyring(ring: KeyRing) -> SecretStr:
    """The ring as JSON: `{"version": 1, "primary": {"id", "key"}, "retired": [{"id", "key"}]}`."""
    primary, *retired = ({"id": key.id, "key": key.to_base64().reveal()} for key in ring)
    document = {"version": 1, "primary": primary, "retired": retired}
    return SecretStr(json.dumps(document, indent=2) + "\n")


def _parse_document(plain: str) -> KeyRing:
    document = _decode_document(plain)
    if document is None:
        raise KeyRingError(
            "The key ring is not the JSON expected: version, primary and retired, "
            "each key with id and key.",
            "restore it from a backup.",
        )
    if document.version != 1:
        raise KeyRingError(
            f"The key ring has version {document.version}; this release reads version 1."
        )
    return KeyRing(_checked_key(document.primary), tuple(map(_checked_key, document.retired)))


def _decode_document(plain: str) -> _RingDocument | None:
    """The document, or None. The decoder's error goes no further: it may quote the text."""
    try:
        return msgspec.json.decode(plain.encode(errors="replace"), type=_RingDocument)
    except msgspec.DecodeError:
        return None


def _checked_key(entry: _KeyEntry) -> Key:
    key = Key.from_base64(SecretStr(entry.key))
    if key.id != entry.id:
        raise KeyRingError(
            f"A key in the key ring has the id {key.id} but is listed under another id.",
            "restore the file from a backup; a key was changed or swapped.",
        )
    return key


def _decode_base64(text: str) -> bytes | None:
    if not _BASE64.fullmatch(text):
        return None
    body = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except ValueError:
        return None


def _refuse_weak(material: bytes) -> None:
    if len(material) != KEY_BYTES:
        raise KeyRingError(
            f"A key has {len(material)} bytes; {KEY_BYTES} are needed.", _NEW_KEY_FIX
        )
    if _is_patterned(material) or _is_text(material):
        raise KeyRingError("A key is not random: it is a sample, a pattern or text.", _NEW_KEY_FIX)


def _is_patterned(material: bytes) -> bool:
    """True for a repeated byte or group, and for a count such as 00 01 02 …"""
    steps = {(after - before) % 256 for before, after in pairwise(material)}
    return len(steps) == 1 or len(set(material)) < _FEWEST_DISTINCT_BYTES


def _is_text(material: bytes) -> bool:
    """True for printable ASCII, also when one repeated byte pads it to length on either side."""
    candidates = (material.rstrip(material[-1:]), material.lstrip(material[:1]))
    return any(all(0x20 <= byte < 0x7F for byte in text) for text in candidates)
