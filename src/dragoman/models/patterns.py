"""File names by regular expression, in time linear in their length.

RE2 (in Arrow) matches. It knows no backtracking: no pattern of a client holds up the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import cast

from dragoman.api.errors import BadRequest
from dragoman.dialects.arrow import Array, pyarrow

MAX_PATTERN = 400
_PLAIN = re.compile(r"[\w./ \-]+")


def is_plain(text: str) -> bool:
    """Whether it is a name rather than a pattern."""
    return _PLAIN.fullmatch(text) is not None


def matcher(pattern: str) -> Callable[[Iterable[str]], set[str]]:
    """Picks the paths that match as a whole. Raises `BadRequest` for what is no pattern."""
    pa = pyarrow()
    if len(pattern) > MAX_PATTERN:
        raise BadRequest(f"Bad Request: fileName: a pattern has at most {MAX_PATTERN} characters")
    anchored = f"^(?:{pattern})$"

    def match(paths: Iterable[str]) -> set[str]:
        found: Array = pa.array(list(paths), pa.string())
        try:
            kept: Array = pa.compute.match_substring_regex(found, anchored)
        except pa.ArrowInvalid as invalid:
            words = str(cast("Exception", invalid)).split(":", 1)[-1].strip()
            raise BadRequest(f"Bad Request: fileName: not a regular expression: {words}") from None
        return set(found.filter(kept).to_pylist())

    return match
