"""Which passwords are taken: the rules of NIST SP 800-63B-4 (2025), section 3.1.1.

- at least 15 characters; 8 where a second factor is demanded of everybody
- no rules of composition, no expiry, no hints; every character, spaces and Unicode included
- none that is known or easily guessed: the list `blocked.txt`, the e-mail address, the name of the
  product and of the host, and what is put together of these, digits, runs of the keyboard and
  repetitions with at most three other characters
- normalised by NFKC before it is counted or hashed, so that two keyboards give one password; a
  code point counts as one character, and nothing is cut off
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from dragoman.api.errors import BadRequest
from dragoman.secret import SecretStr

LEAST, LEAST_WITH_SECOND_FACTOR, MOST = 15, 8, 256
_LONGEST_SENT = 1024
_LIST = Path(__file__).with_name("blocked.txt")
_RUNS = (
    "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "1qaz2wsx3edc4rfv5tgb",
    "abcdefghijklmnopqrstuvwxyz", "01234567890",
)  # fmt: skip
_SHORTEST_RUN, _SHORTEST_WORD = 3, 3
# Fewer characters beside what is known are tried in no time.
_FEWEST_OTHERS = 4
_DIGITS = re.compile(r"[0-9]+")
# What people write for a letter.
_SPELLINGS = str.maketrans("@4301$5!7", "aaeolssit")


def normalised(password: SecretStr) -> str:
    """The text that is counted and hashed. Raises `BadRequest` for one that nobody types."""
    text = password.reveal()
    if len(text) > _LONGEST_SENT:
        raise BadRequest(f"Bad Request: a password has at most {MOST} characters")
    return unicodedata.normalize("NFKC", text)


def check(password: str, context: Iterable[str], *, second_factor: bool) -> None:
    """Refuse a normalised password that the rules do not take. `context`: the person's e-mail
    address, names of the product and of the host. Raises `BadRequest`, which says why."""
    least = LEAST_WITH_SECOND_FACTOR if second_factor else LEAST
    if len(password) < least:
        raise BadRequest(f"Bad Request: password: use at least {least} characters")
    if len(password) > MOST:
        raise BadRequest(f"Bad Request: password: use at most {MOST} characters")
    if _is_guessable(password.casefold(), _words(context)):
        raise BadRequest(
            "Bad Request: password: it is easily guessed; use several words that do not belong "
            "together, or have a password manager make it"
        )


@functools.cache
def blocked() -> frozenset[str]:
    """The words of the list, without regard to case."""
    lines = _LIST.read_text("utf-8").splitlines()
    return frozenset(line.strip().casefold() for line in lines if line and line[0] != "#")


def _words(context: Iterable[str]) -> frozenset[str]:
    """Every name of the context, whole and in parts."""
    parts = {part for text in context for part in [text, *re.split(r"[^\w]+|_", text)]}
    return frozenset(part.casefold() for part in parts if len(part) >= _SHORTEST_WORD)


def _is_guessable(password: str, names: frozenset[str]) -> bool:
    known = blocked() | names
    for text in (password, password.translate(_SPELLINGS)):
        # What stands around and between words adds nothing; what is all signs is left as it is.
        core = "".join(c for c in text if c.isalnum()) or text
        if text in known or _is_made_of(core, known) or len(set(core)) <= 2:
            return True
    return False


def _is_made_of(text: str, known: frozenset[str]) -> bool:
    """Whether the text is little but known words, digits, runs and repetitions, end to end."""
    others = [0] * (len(text) + 1)  # of the first characters, how many at least are nothing known
    for end in range(1, len(text) + 1):
        ways = [others[s] for s in range(end) if _is_known(text[s:end], known)]
        others[end] = min([others[end - 1] + 1, *ways])
    return others[-1] < _FEWEST_OTHERS


def _is_known(part: str, known: frozenset[str]) -> bool:
    if part in known or _DIGITS.fullmatch(part):
        return True
    if len(part) < _SHORTEST_RUN:
        return False
    return len(set(part)) == 1 or any(part in run or part[::-1] in run for run in _RUNS)
