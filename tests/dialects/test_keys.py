"""Private keys: what is read before anything opens them."""

from __future__ import annotations

import base64
import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects import der, keys
from dragoman.dialects.values import BadValue
from tests.support import bodies

PBES2 = bytes.fromhex("06092a864886f70d01050d")
PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
SCRYPT = bytes.fromhex("060b2b06010401da47040b")
AES_256_CBC = bytes.fromhex("060960864801650304012a")


def element(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def number(value: int) -> bytes:
    return element(der.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encrypted(stretching: bytes, *parameters: int) -> str:
    """An encrypted PKCS#8 text whose key is stretched with these parameters."""
    salt = element(der.OCTETS, b"saltsalt")
    settings = element(der.SEQUENCE, salt, *(number(p) for p in parameters))
    stretch = element(der.SEQUENCE, stretching, settings)
    cipher = element(der.SEQUENCE, AES_256_CBC, element(der.OCTETS, b"i" * 16))
    algorithm = element(der.SEQUENCE, PBES2, element(der.SEQUENCE, stretch, cipher))
    body = element(der.SEQUENCE, algorithm, element(der.OCTETS, b"x" * 1216))
    return base64.b64encode(body).decode()


def test_an_encrypted_key_is_known_by_its_shape() -> None:
    pem, is_encrypted = keys.normalise(encrypted(PBKDF2, 2048))
    assert is_encrypted
    assert pem.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    mislabelled = bodies.pem(passphrase="x").replace("ENCRYPTED ", "")
    assert keys.normalise(mislabelled)[1]


@pytest.mark.parametrize(
    "text", [encrypted(PBKDF2, 2**31 - 1), encrypted(SCRYPT, 2**20, 8, 1)], ids=["rounds", "scrypt"]
)
def test_a_key_that_takes_long_to_try_is_refused_at_once(text: str) -> None:
    started = time.thread_time()
    with pytest.raises(BadValue, match="too much work"):
        keys.normalise(text)
    assert time.thread_time() - started < 1


def test_a_damaged_key_is_told_apart() -> None:
    """One bit of each number flipped, wherever it is, is noticed or refused as unreadable."""
    body = base64.b64decode(bodies.bare(bodies.pem()))
    for position in range(40, len(body), 37):
        damaged = bytearray(body)
        damaged[position] ^= 1
        with pytest.raises(BadValue):
            keys.open_rsa(keys.normalise(base64.b64encode(bytes(damaged)).decode())[0], None)


def test_long_keys_are_checked_quickly() -> None:
    long = bodies.pem(4096)
    started = time.thread_time()
    for _ in range(10):
        keys.open_rsa(long, None)
    assert time.thread_time() - started < 5


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for body in (content, element(der.SEQUENCE, content)):
        with contextlib.suppress(BadValue):
            pem, is_encrypted = keys.normalise(base64.b64encode(body).decode())
            if not is_encrypted:
                keys.open_rsa(pem, None)


def test_deeply_nested_elements_do_no_harm() -> None:
    nested = number(1)
    while len(nested) < 8000:
        nested = element(der.SEQUENCE, nested)
    assert der.integers(nested) == [1]


@given(st.integers(0, 2**40), st.integers(0, 300))
def test_numbers_are_found_at_any_depth(value: int, size: int) -> None:
    filler = element(der.OCTETS, b"z" * size)
    nested = element(der.SEQUENCE, filler, element(der.SEQUENCE, number(value), filler))
    assert der.integers(nested) == [value]
    assert der.shape(nested) == [der.OCTETS, der.SEQUENCE]
