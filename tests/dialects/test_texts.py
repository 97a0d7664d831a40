"""No text of a driver carries a secret, in whatever way it repeats it."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest

from dragoman.dialects.texts import redacted, tidy
from dragoman.secret import SecretStr

PASSWORD = "p'as\\s wörd\"%+/é"
KEY = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(c * 64 for c in "AbZ9") + "\n-----END\n"
REPEATED = [
    PASSWORD,
    repr(PASSWORD)[1:-1],
    json.dumps(PASSWORD)[1:-1],
    PASSWORD.replace("'", "''"),
    PASSWORD.replace("\\", "\\\\").replace("'", "\\'"),
    quote(PASSWORD, safe=""),
    quote(PASSWORD),
    quote_plus(PASSWORD),
]


@pytest.mark.parametrize("form", REPEATED, ids=range(len(REPEATED)))
def test_a_password_is_masked_as_drivers_repeat_it(form: str) -> None:
    said = tidy(f'invalid connection string "password={form} user=x"', {"p": SecretStr(PASSWORD)})
    assert form not in said
    assert "wörd" not in said
    assert "w%C3%B6rd" not in said
    assert said.endswith('user=x"')


@pytest.mark.parametrize("repeated", [KEY, json.dumps(KEY), "Z" * 64, KEY.replace("\n", " ")])
def test_a_key_is_masked_line_by_line(repeated: str) -> None:
    said = redacted(f"could not parse {repeated}", [SecretStr(KEY)])
    assert not any(c * 64 in said for c in "AbZ9")


def test_what_is_no_secret_stays() -> None:
    assert tidy("port 5432 of db", {"p": SecretStr("5"), "q": SecretStr("")}) == "port 5432 of db"
