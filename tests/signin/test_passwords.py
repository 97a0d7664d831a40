"""The rules of NIST SP 800-63B-4, and hashes at a bounded cost."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.api.errors import BadRequest, Unavailable
from dragoman.secret import SecretStr
from dragoman.signin import hashing, passwords
from dragoman.signin.hashing import AT_ONCE, WAITING, Cost, Hasher, hash_password

CONTEXT = ("ann.miller@example.com", "Ann Miller", "dragoman", "data.example.com")
CHEAP = Cost(memory=32, passes=1, lanes=1)


def check(text: str, *, second_factor: bool = False) -> None:
    plain = passwords.normalised(SecretStr(text))
    passwords.check(plain, CONTEXT, second_factor=second_factor)


@pytest.mark.parametrize(
    "text",
    [
        "wet garage lantern pilot", "password of my vole",
        "kitchen table forty miles",
        "   x   q   j   w   ",
        "all lower case without digits",
        "пароль из нескольких слов",
        "長い合言葉を選んでください十五文字",
        "🦊🌲🌧🎻📎🧊🪁🫖🦔🧵🪗🌋🛶🧲🪀",
        "Kx7" * 64,
        "v" + "Qz9 " * 63 + "end",
    ],
)  # fmt: skip
def test_what_is_taken(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    "text",
    [
        "passwordpassword", "Password2026!!!!!", "P@ssw0rd P@ssw0rd", "qwertyuiopasdfgh",
        "1234567890123456", "aaaaaaaaaaaaaaaaa", "abababababababab", "abcdefghijklmnop",
        "correct horse battery staple", "Dragoman-2026-2026", "ann.miller@example.com",
        "AnnMiller1234567", "data.example.com", "maytheforcebewithyou", "zyxwvutsrqponmlk",
        "WELCOME welcome WELCOME", "!!!!!!!!!!!!!!!!", "aaaaabbbbbcccccddddd",
        "ann.miller@example.comxy", "q7 ann.miller@example.com z", "Password2026!!!xkq",
    ],
)  # fmt: skip
def test_what_is_guessed_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="guessed"):
        check(text)


def test_lengths() -> None:
    with pytest.raises(BadRequest, match="at least 15"):
        check("fourteen chars"[:14])
    check("garage lantern7"[:15])
    with pytest.raises(BadRequest, match="at least 8"):
        check("gar7lan", second_factor=True)
    check("gar7lant", second_factor=True)
    check("gx7 " * 64)
    with pytest.raises(BadRequest, match="at most 256"):
        check("gx7 " * 64 + "x")
    with pytest.raises(BadRequest, match="at most"):
        check("x" * 100_000)


def test_code_points_are_counted_after_normalisation() -> None:
    # Fifteen marks on fifteen letters: fifteen characters, once composed.
    check("".join(c + "\u0308" for c in "aouAOUeiyEIYaou"))
    with pytest.raises(BadRequest, match="at least 15"):
        check("a\u0308" * 14)


@given(st.text(min_size=8, max_size=40))
def test_two_ways_to_type_a_password_are_judged_and_hashed_alike(text: str) -> None:
    import unicodedata

    forms = {
        passwords.normalised(SecretStr(unicodedata.normalize(form, text)))
        for form in ("NFC", "NFD", "NFKC", "NFKD")
    }
    assert len(forms) == 1


def test_our_hashes_have_the_parameters_of_the_rfc() -> None:
    """RFC 9106, section 4, second recommendation; two hashes of one password differ."""
    first, second = (hash_password("wet garage lantern pilot", Cost()) for _ in range(2))
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert hashing._verify(first, "wet garage lantern pilot")
    assert not hashing._verify(first, "wet garage lantern pilo")
    assert not hashing._verify("nonsense", "wet garage lantern pilot")


def test_a_flood_costs_no_more_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    go, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def slow(_stored: str, _password: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go.wait(30)
        with lock:
            running -= 1
        return True

    monkeypatch.setattr(hashing, "_verify", slow)
    hasher = Hasher(CHEAP)
    stored = hash_password("x", CHEAP)

    async def flood() -> list[bool | BaseException]:
        # Each first makes sure of the decoy; that one is there already.
        await hasher._run(lambda: hashing._decoy(CHEAP))
        asked = [asyncio.create_task(hasher.verify(stored, "x")) for _ in range(200)]
        for _ in range(400):  # each turn lets every task go as far as it can
            await asyncio.sleep(0)
        asked[-1].cancel()
        go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(flood())
    assert most == AT_ONCE
    assert sum(answer is True for answer in answers) <= AT_ONCE + WAITING
    assert sum(isinstance(answer, Unavailable) for answer in answers) >= 200 - AT_ONCE - WAITING - 1
    # Every place is given back.
    assert asyncio.run(hasher.verify(stored, "x"))
    assert hasher._places._value == AT_ONCE + WAITING


def test_hashes_that_are_asked_for_at_once_are_all_made() -> None:
    """Two with lanes of their own, one beside the other, never ended (OpenSSL)."""
    hasher = Hasher(Cost(memory=4096, passes=1, lanes=4))

    async def work() -> list[str]:
        made = [hasher.hash("wet garage lantern pilot") for _ in range(8)]
        return await asyncio.wait_for(asyncio.gather(*made), 60)

    assert len(set(asyncio.run(work()))) == 8


def test_the_event_loop_goes_on_while_a_password_is_hashed() -> None:
    async def work() -> int:
        hashing_now = asyncio.create_task(Hasher().hash("wet garage lantern pilot"))
        turns = 0
        while not hashing_now.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await hashing_now).startswith("$argon2id$")
        return turns

    assert asyncio.run(work()) > 100
