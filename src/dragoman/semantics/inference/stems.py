"""The words in names of tables and key columns: what a column refers to, what a table is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_IRREGULAR: Final = {
    "addenda": "addendum",
    "analyses": "analysis",
    "axes": "axis",
    "bases": "basis",
    "caches": "cache",
    "children": "child",
    "criteria": "criterion",
    "crises": "crisis",
    "data": "data",
    "diagnoses": "diagnosis",
    "feet": "foot",
    "geese": "goose",
    "indices": "index",
    "matrices": "matrix",
    "media": "media",
    "men": "man",
    "mice": "mouse",
    "movies": "movie",
    "news": "news",
    "people": "person",
    "series": "series",
    "species": "species",
    "status": "status",
    "statuses": "status",
    "theses": "thesis",
    "vertices": "vertex",
    "women": "woman",
}
_UNCOUNTED: Final = ("ss", "us", "is")
# Layers of a warehouse that names of tables begin or end with.
_AFFIX: Final = re.compile(
    r"(?:dim|fct|fact|stg|stage|staging|raw|src|base|int|lkp|ref|tbl|d|f|t)_"
)
_ENDING: Final = re.compile(r"_(?:dim|fact|fct|tbl|table)")
_KEY: Final = re.compile(r"(.+?)(?:_id|_uuid|_guid|_key|_sk|_fk)")
_GLUED: Final = re.compile(r"([a-z]{3,})(?:key|sk)")
_SHORT_WORD: Final = 3
_AT_LEAST: Final = 3  # columns that a prefix of all must be seen on


@dataclass(frozen=True, slots=True)
class TableStem:
    """A table's name in the singular: whole, and without what marks its layer (`dim_`)."""

    whole: str
    short: str
    affix: str

    @property
    def words(self) -> tuple[str, ...]:
        """Both forms, each once."""
        return (self.whole,) if self.whole == self.short else (self.whole, self.short)


@lru_cache(maxsize=65_536)
def table_stem(cleaned: str) -> TableStem:
    """The stem of a table's cleaned name."""
    whole = singular(cleaned)
    head, tail = _AFFIX.match(cleaned), _ENDING.search(cleaned)
    if head is not None and head.end() < len(cleaned):
        return TableStem(whole, singular(cleaned[head.end() :]), head.group())
    if tail is not None and tail.end() == len(cleaned) and tail.start():
        return TableStem(whole, singular(cleaned[: tail.start()]), tail.group())
    return TableStem(whole, whole, "")


@lru_cache(maxsize=65_536)
def singular(name: str) -> str:
    """The name with its last word in the singular: `order_statuses` is `order_status`."""
    head, gap, word = name.rpartition("_")
    return f"{head}{gap}{_singular_word(word)}"


def _singular_word(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= _SHORT_WORD or not word.endswith("s") or word.endswith(_UNCOUNTED):
        return word
    if word.endswith("ies") and len(word) > len("ties"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=65_536)
def key_stem(column: str) -> str | None:
    """What a key column refers to: `customer` of `customer_id`, `custkey` as `cust`."""
    found = _KEY.fullmatch(column) or _GLUED.fullmatch(column)
    return singular(found.group(1)) if found is not None else None


def common_prefix(columns: Sequence[str]) -> str:
    """The prefix with an underscore that every column has (`l_` in TPC-H), or nothing.

    Only a short one: columns that all begin with a word (`billing_`) say something by it.
    """
    if len(columns) < _AT_LEAST:
        return ""
    prefix, gap, _ = columns[0].partition("_")
    prefix += gap
    if not gap or len(prefix) > _SHORT_WORD:
        return ""
    return prefix if all(c.startswith(prefix) and c != prefix for c in columns) else ""


def abbreviates(stem: str, table: str) -> bool:
    """Whether the stem is the beginning of a table's first word (`cust` of `customer`)."""
    return (
        len(stem) >= _SHORT_WORD
        and len(table) > len(stem)
        and table.startswith(stem)
        and table[len(stem)] != "_"
    )
