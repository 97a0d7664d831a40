"""RSA private keys for key-pair sign-in, checked where they enter.

A key that a database would refuse is refused here with the reason; opening it needs no network.
"""

from __future__ import annotations

import base64
import binascii
import re
import textwrap
from typing import TYPE_CHECKING

from dragoman.dialects import der
from dragoman.dialects.values import BadValue

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

MIN_BITS = 2048
# A key of 8192 bits takes 6,500 characters.
MAX_LENGTH = 12_000
# Key stretching beyond this (a million rounds take half a second) would stop the server.
_MAX_ROUNDS = 1_000_000
_SCRYPT = bytes.fromhex("060b2b06010401da47040b")  # OID 1.3.6.1.4.1.11591.4.11, RFC 7914
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_TO_PKCS8 = "openssl pkcs8 -topk8 -nocrypt -in key.pem -out key.p8"
_GARBAGE = BadValue("Not a private key", "Send the PEM text, or its base64 body.")


def normalise(text: str) -> tuple[str, bool]:
    """A PKCS#8 key (RFC 5958) as PEM with its headers, and whether it is encrypted.

    Takes a whole PEM text, or its base64 body alone. Raises `BadValue` for any other thing.
    """
    if len(text) > MAX_LENGTH:
        raise BadValue("Too long for an RSA key", f"At most {MAX_LENGTH} characters.")
    found = _PEM.search(text)
    if found is None and "-----" in text:
        raise BadValue("The PEM text is cut off", "Send it from its BEGIN line to its END line.")
    if found is not None:
        _check_label(found[1])
    body = _decode(found[2] if found else text)
    encrypted = _is_encrypted(body)
    label = "ENCRYPTED PRIVATE KEY" if encrypted else "PRIVATE KEY"
    lines = textwrap.wrap(base64.b64encode(body).decode(), 64)
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")), encrypted


def open_rsa(pem: str, passphrase: str | None) -> None:
    """Check that the PEM text opens and holds an RSA key of 2048 bits or more.

    Raises `BadValue`, naming a wrong passphrase as such.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    key = _load(pem, passphrase)
    if not isinstance(key, RSAPrivateKey):
        raise BadValue("Must be an RSA key", f"openssl genrsa {MIN_BITS} makes one.")
    if not _consistent(key):
        raise BadValue("The key is damaged", "Send it again, or make a new one.")
    if key.key_size < MIN_BITS:
        raise BadValue(
            f"Must have at least {MIN_BITS} bits, has {key.key_size}",
            f"openssl genrsa {MIN_BITS} makes a new one.",
        )


def _load(pem: str, passphrase: str | None) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        # The library's own check tests primes, which takes seconds for long keys; see _consistent.
        return load_pem_private_key(
            pem.encode(),
            passphrase.encode() if passphrase else None,
            unsafe_skip_rsa_key_validation=True,
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if passphrase:
            message = "The key does not open: the passphrase is wrong, or the key is damaged"
            raise BadValue(message, "Check the passphrase in passwordUnencrypted.") from error
        raise BadValue("Not a readable private key", f"Convert it: {_TO_PKCS8}") from error


def _consistent(key: RSAPrivateKey) -> bool:
    """Whether the numbers belong together (RFC 8017 3.2), which a damaged key fails."""
    numbers = key.private_numbers()
    p, q, d = numbers.p, numbers.q, numbers.d
    if min(p, q) < 3 or p * q != numbers.public_numbers.n:
        return False
    remainders = (d % (p - 1), d % (q - 1))
    return (
        remainders == (numbers.dmp1, numbers.dmq1)
        and (numbers.dmp1 * numbers.public_numbers.e) % (p - 1) == 1
        and (numbers.dmq1 * numbers.public_numbers.e) % (q - 1) == 1
        and (numbers.iqmp * q) % p == 1
    )


def _check_label(label: str) -> None:
    if "PUBLIC" in label or "CERTIFICATE" in label:
        raise _public()
    if label == "RSA PRIVATE KEY":
        raise _pkcs1()
    if label not in ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"):
        message = f"Must be a PKCS#8 RSA key, is {label[:40]}"
        raise BadValue(message, f"Convert it: {_TO_PKCS8}")


def _decode(body: str) -> bytes:
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadValue(_GARBAGE.message, _GARBAGE.fix) from error


def _is_encrypted(body: bytes) -> bool:
    """Told by the shape of the contents, since labels may be missing or wrong."""
    match der.shape(body):
        case [der.INTEGER, der.SEQUENCE, der.OCTETS, *_]:
            return False
        case [der.SEQUENCE, der.OCTETS]:
            _check_stretching(body)
            return True
        case [der.SEQUENCE, der.BITS]:
            raise _public()
        case [der.INTEGER, der.INTEGER, *_]:
            raise _pkcs1()
        case _:
            raise BadValue(_GARBAGE.message, _GARBAGE.fix)


def _check_stretching(body: bytes) -> None:
    """Refuse a key whose passphrase takes very long to try, since that would stop the server."""
    algorithm = der.children(der.children(body)[0][1])[0][1]
    if _SCRYPT in algorithm or max(der.integers(algorithm), default=0) > _MAX_ROUNDS:
        fix = "openssl pkcs8 -topk8 -v2 aes-256-cbc makes a usual one."
        raise BadValue("The key's encryption takes too much work to open", fix)


def _public() -> BadValue:
    return BadValue(
        "This is the public half of a key", "Send the private key, not its public half."
    )


def _pkcs1() -> BadValue:
    return BadValue("Must be PKCS#8, is PKCS#1 (RSA PRIVATE KEY)", f"Convert it: {_TO_PKCS8}")
