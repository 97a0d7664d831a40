"""The name that somebody meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

# More names than this are first cut down by cheap signs, so that a suggestion never costs seconds.
_MANY = 300


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is near enough to be what was meant; None where none is."""
    wanted = name.lower()
    by_fold: dict[str, str] = {}
    for one in names:
        by_fold.setdefault(one.lower(), one)
    if wanted in by_fold:
        return by_fold[wanted]
    candidates: Collection[str] = by_fold
    if len(by_fold) > _MANY:
        candidates = [c for c in by_fold if _close(wanted, c)][: _MANY * 4]
    near = difflib.get_close_matches(wanted, candidates, n=1, cutoff=0.7)
    return by_fold[near[0]] if near else None


def _close(wanted: str, candidate: str) -> bool:
    """Signs of likeness that need no comparison of all letters: length, and either end."""
    if abs(len(wanted) - len(candidate)) > 3:
        return False
    return wanted[:2] == candidate[:2] or wanted[-2:] == candidate[-2:]
