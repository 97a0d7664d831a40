"""Sealing: a secret becomes text that opens only with the ring and in its own context.

Envelope encryption: each secret has its own 256-bit data key, wrapped by the ring's primary key,
so that a rotation rewrites 60 bytes and never touches a secret. AES-256-GCM on both levels
(NIST SP 800-38D) with random 96-bit nonces; one ring key may wrap 2**32 data keys.

    v1.<key id>.<wrapped data key>.<nonce>.<ciphertext>      parts in base64url, no padding

The wrapping binds nonce and ciphertext, so damage shows when the data key is unwrapped; a failure
after that can only be a wrong context.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dragoman.secret import SecretStr
from dragoman.vault.context import Context, join_parts
from dragoman.vault.errors import Damaged, UnknownKey, VaultError, WrongContext
from dragoman.vault.keyring import Key, KeyRing

VERSION = "v1"
_NONCE_BYTES = 12
_WRAP_DOMAIN = b"dragoman data key v1"
_SEALED = re.compile(r"v1\.([0-9a-f]{8})\.([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)
_FINGERPRINT = re.compile(r"([0-9a-f]{8})\.([0-9a-f]{64})", re.ASCII)

RowId = TypeVar("RowId")


class RingSource(Protocol):
    """What the vault needs of a `KeyRingSource`; tests may give a fixed ring."""

    def current(self) -> KeyRing:
        """The ring in force."""
        ...

    def refreshed(self) -> KeyRing:
        """The ring, read again where that may bring a key that `current` lacks."""
        ...


@dataclass(frozen=True, slots=True)
class _Sealed:
    """The parts of a sealed text, decoded."""

    key_id: str
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def parse(cls, text: str) -> _Sealed:
        key_id, *parts = cls.split(text)
        return cls(key_id, *map(_decode, parts))

    @staticmethod
    def split(text: str) -> tuple[str, ...]:
        match = _SEALED.fullmatch(text)
        if match is None:
            raise Damaged("A stored secret is not in the sealed form.")
        return match.groups()

    def render(self) -> str:
        parts = map(_encode, (self.wrapped, self.nonce, self.ciphertext))
        return ".".join((VERSION, self.key_id, *parts))

    def wrapping_data(self, key_id: str) -> bytes:
        """What the wrapped data key is bound to: its key's id, and the ciphertext it opens."""
        return join_parts([_WRAP_DOMAIN, key_id.encode(), self.nonce, self.ciphertext])


class Vault:
    """Seals and opens secrets with the ring of `source`. Thread-safe; holds nothing else."""

    def __init__(self, source: RingSource) -> None:
        self._source = source

    def seal(self, secret: SecretStr, context: Context) -> str:
        """Seals the secret (any text, also empty) for this context, under the primary key.

        Two calls never give the same text. The length of the secret can be seen in the result.
        """
        data_key, nonce = secrets.token_bytes(32), secrets.token_bytes(_NONCE_BYTES)
        plain = secret.reveal().encode(errors="surrogatepass")
        ciphertext = AESGCM(data_key).encrypt(nonce, plain, context.associated_data())
        sealed = _Sealed("", b"", nonce, ciphertext)
        return _wrap(sealed, data_key, self._source.current().primary).render()

    def open(self, sealed: str, context: Context) -> SecretStr:
        """Opens what `seal` gave, in the same context.

        Raises `Damaged`, `UnknownKey` or `WrongContext`.
        """
        parts = _Sealed.parse(sealed)
        data_key = _unwrap(parts, self._key(parts.key_id))
        plain = _decrypt(data_key, parts.nonce, parts.ciphertext, context.associated_data())
        if plain is None:
            raise WrongContext(
                f"The stored {context.property} was not sealed for this {context.resource} "
                "with this destination.",
                "send the secret again.",
            )
        return SecretStr(plain.decode(errors="surrogatepass"))

    def rewrap(self, sealed: str) -> str | None:
        """Wraps the data key with the primary key; None when it already is.

        Needs no context and does not decrypt the secret. Raises `Damaged` or `UnknownKey`.
        """
        parts = _Sealed.parse(sealed)
        primary = self._source.current().primary
        if parts.key_id == primary.id:
            return None
        return _wrap(parts, _unwrap(parts, self._key(parts.key_id)), primary).render()

    def key_id(self, sealed: str) -> str:
        """The id of the key that wraps this sealed text. Raises `Damaged`."""
        return _Sealed.split(sealed)[0]

    def fingerprint(self, data: bytes, purpose: str) -> str:
        """`<key id>.<hex>`: an HMAC-SHA-256 of the data that shows nothing without the ring.

        Each purpose has its own key, so that fingerprints of two purposes never compare.
        """
        return _fingerprint(self._source.current().primary, data, purpose)

    def matches(self, fingerprint: str, data: bytes, purpose: str) -> bool:
        """True when the fingerprint was made of this data for this purpose, by any key of the ring.

        False also for a malformed one and for one whose key is gone: neither can be shown to match.
        """
        match = _FINGERPRINT.fullmatch(fingerprint)
        key = self._find(match[1]) if match else None
        return key is not None and hmac.compare_digest(
            _fingerprint(key, data, purpose), fingerprint
        )

    def _key(self, key_id: str) -> Key:
        key = self._find(key_id)
        if key is None:
            raise UnknownKey(
                f"A stored secret was sealed with key {key_id}, which is not in the key ring.",
                "add that key to the key ring again, or send the secret again.",
            )
        return key

    def _find(self, key_id: str) -> Key | None:
        return self._source.current().find(key_id) or self._source.refreshed().find(key_id)


def rewrap_batches(
    rows: Iterable[tuple[RowId, str]],
    vault: Vault,
    on_error: Callable[[RowId, VaultError], None] | None = None,
) -> Iterator[tuple[RowId, str]]:
    """Yields `(id, new sealed text)` for each row that is not on the primary key yet.

    Lazy, so the caller chooses the size of a batch and may stop and start again anywhere. A row
    that cannot be unwrapped is told to `on_error` and skipped; without it the error is raised.
    """
    for row_id, sealed in rows:
        try:
            renewed = vault.rewrap(sealed)
        except VaultError as error:
            if on_error is None:
                raise
            on_error(row_id, error)
            continue
        if renewed is not None:
            yield row_id, renewed


def _wrap(parts: _Sealed, data_key: bytes, key: Key) -> _Sealed:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    bound = parts.wrapping_data(key.id)
    wrapped = nonce + AESGCM(key.derive("wrap/v1")).encrypt(nonce, data_key, bound)
    return _Sealed(key.id, wrapped, parts.nonce, parts.ciphertext)


def _unwrap(parts: _Sealed, key: Key) -> bytes:
    nonce, wrapped = parts.wrapped[:_NONCE_BYTES], parts.wrapped[_NONCE_BYTES:]
    data_key = _decrypt(key.derive("wrap/v1"), nonce, wrapped, parts.wrapping_data(key.id))
    if data_key is None:
        raise Damaged("A stored secret was changed after it was sealed.", "send the secret again.")
    return data_key


def _decrypt(key: bytes, nonce: bytes, ciphertext: bytes, bound: bytes) -> bytes | None:
    """The plain bytes, or None when anything does not fit (also a nonce of another length)."""
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound)
    except (InvalidTag, ValueError):
        return None


def _fingerprint(key: Key, data: bytes, purpose: str) -> str:
    return f"{key.id}.{hmac.digest(key.derive(f'fingerprint/v1/{purpose}'), data, 'sha256').hex()}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Strict: one spelling only. Spare bits in the last character would let a changed text pass."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    if _encode(data) != text:
        raise Damaged("A stored secret is not in the sealed form.")
    return data
