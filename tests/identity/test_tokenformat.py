"""Tokens: their form, their checksum, and what is kept and shown of them."""

from __future__ import annotations

import hashlib
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.identity import tokenformat
from dragoman.identity.tokenformat import (
    SCANNER_PATTERN,
    TokenKind,
    digest,
    generate,
    hint,
    parse,
)
from dragoman.secret import SecretStr

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
KINDS: list[TokenKind] = ["organization", "personal"]


@pytest.mark.parametrize(
    ("kind", "prefix"), [("organization", "omni_osk_"), ("personal", "omni_pat_")]
)
def test_the_form(kind: TokenKind, prefix: str) -> None:
    token = generate(kind)
    assert re.fullmatch(prefix + "[0-9A-Za-z]{36}", token.reveal())
    assert parse(token) == kind
    assert parse(token.reveal()) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        # CRC-32 of the first 39 characters, worked out apart from this code.
        ("omni_osk_0123456789ABCDEFGHIJKLMNOPQRST4WdgBs", "organization"),
        ("omni_pat_zyxwvutsrqponmlkjihgfedcba98764UCYrH", "personal"),
    ],
)
def test_known_tokens_stay_valid(text: str, kind: TokenKind) -> None:
    assert parse(text) == kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_of_one_character_is_refused(kind: TokenKind) -> None:
    token = generate(kind).reveal()
    for place, old in enumerate(token):
        for new in BASE62 + "_-. é\n":
            if new != old:
                assert parse(token[:place] + new + token[place + 1 :]) is None


@given(st.sampled_from(KINDS), st.data())
def test_two_neighbours_exchanged_are_refused(kind: TokenKind, data: st.DataObject) -> None:
    token = generate(kind).reveal()
    place = data.draw(st.integers(0, len(token) - 2))
    turned = token[:place] + token[place + 1] + token[place] + token[place + 2 :]
    assert parse(turned) == (kind if turned == token else None)


@given(st.text(max_size=60))
def test_other_text_is_no_token(text: str) -> None:
    assert parse(text) is None


def test_what_stands_around_a_token_is_refused() -> None:
    token = generate("personal").reveal()
    for text in (token + "\n", " " + token, token + "0", token[:-1], "", token.upper()):
        assert parse(text) is None


@pytest.mark.parametrize(
    "body",
    [
        "omni_osk_" + "a" * 29,
        "omni_osk_" + "a" * 31,
        "omni_xxx_" + "a" * 30,
        "Omni_osk_" + "a" * 30,
        "omni_osk_" + "a" * 29 + "-",
        " omni_osk_" + "a" * 30,
    ],
)
def test_a_right_checksum_does_not_make_a_wrong_form_good(body: str) -> None:
    assert parse(body + tokenformat._checksum(body)) is None


def test_a_token_does_not_change_its_kind() -> None:
    token = generate("personal").reveal()
    assert parse(token.replace("_pat_", "_osk_")) is None


def test_tokens_hold_160_random_bits_at_least() -> None:
    bits = len(BASE62).bit_length() - 1  # 5 whole bits of each character, rounded down
    assert tokenformat._RANDOM_CHARACTERS * (bits + 0.9) > 160
    bodies = [generate("personal").reveal()[9:39] for _ in range(2000)]
    assert len(set(bodies)) == 2000
    for column in zip(*bodies, strict=True):
        assert set(column) == set(BASE62)


def test_the_digest_is_the_sha256_of_the_whole_token() -> None:
    token = generate("organization")
    assert digest(token) == digest(token.reveal())
    assert digest(token) == hashlib.sha256(token.reveal().encode()).digest()
    assert len(digest("\ud800")) == 32


def test_the_hint_shows_the_last_four_characters_only() -> None:
    token = generate("organization")
    assert hint(token) == f"omni_osk_…{token.reveal()[-4:]}"
    with pytest.raises(ValueError, match="not a token"):
        hint(SecretStr("hunter2"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_scanner_pattern_finds_tokens_in_text(kind: TokenKind) -> None:
    token = generate(kind).reveal()
    for text in (token, f"Bearer {token}\n", f'{{"key":"{token}"}}', f"url?token={token}&x=1"):
        assert re.findall(SCANNER_PATTERN, text) == [token]
    assert re.findall(SCANNER_PATTERN, f"x{token}") == []
    assert re.findall(SCANNER_PATTERN, f"{token}x") == []


def test_a_token_does_not_print() -> None:
    token = generate("personal")
    assert token.reveal() not in f"{token} {token!r}"


def test_the_page_tells_scanners_the_form() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api-keys.md").read_text("utf-8")
    assert f"    {SCANNER_PATTERN}\n" in page
    told: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], told)
    for token in [generate(kind).reveal() for kind in KINDS * 50]:
        assert told["is_token"](token)
        slip = token[:-1] + ("0" if token[-1] != "0" else "1")
        assert not told["is_token"](slip)
