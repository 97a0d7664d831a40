"""Names of views and fields: lower snake case of at most 63 characters, the same at every reading.

63 is what PostgreSQL keeps of an identifier; view and field names become aliases in SQL.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

Identity = tuple[str | None, str, str]  # catalog, schema, table
MAX_LENGTH: Final = 63
SCOPE: Final = "__"
COUNT: Final = "count"  # the measure that every view has
_DIGITS: Final = 8
_PLAIN: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER: Final = re.compile(r"[^a-z0-9]+")
# YAML 1.2 reads these as values, the language as something else than a view or a field.
_VALUES: Final = frozenset({"true", "false", "null"})
_NO_VIEWS: Final = _VALUES | {"all_views", "filters", "omni_attributes", "tag"}


@lru_cache(maxsize=65_536)
def clean(name: str, empty: str = "column") -> str:
    """The name in lower snake case, beginning with a letter.

    Accents are taken off; what is no letter or digit of ASCII becomes an underscore. A name of
    which nothing is left is `empty` and a digest of it, so that two such names stay two.
    """
    if len(name) <= MAX_LENGTH and _PLAIN.fullmatch(name):
        return name
    text = name if name.isupper() or name.islower() else _HUMP.sub("_", name)
    folded = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in folded if not unicodedata.combining(c))
    kept = _OTHER.sub("_", bare).strip("_")
    if not kept:
        return f"{empty}_{digest(name)}"
    if kept[0].isdigit():
        kept = f"n_{kept}"
    return shortened(kept, name)


def shortened(kept: str, name: str) -> str:
    """`kept`, or its beginning and a digest of `name` where it is too long."""
    if len(kept) <= MAX_LENGTH:
        return kept
    return f"{kept[: MAX_LENGTH - _DIGITS - 1].rstrip('_')}_{digest(name)}"


def digest(name: str) -> str:
    """Eight hexadecimal digits that stand for a name."""
    found = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_DIGITS // 2)
    return found.hexdigest()


def view_name(scope: Sequence[str], table: str) -> str:
    """The name of a table's view: `table`, `schema__table` or `catalog_schema__table`.

    `scope`: what stands before the table's name, catalog first.
    """
    own = clean(table, "table")
    if not scope:
        return f"{own}_view" if own in _NO_VIEWS else own
    full = "_".join(clean(part, "schema") for part in scope) + SCOPE + own
    return shortened(full, SCOPE.join((*scope, table)))


def field_names(columns: Sequence[str], inside: Sequence[tuple[str, ...]] = ()) -> list[str]:
    """A field name for each column, no two the same, and then for each path `inside` a column.

    A column whose name needs no cleaning keeps it; of the others the first gets the cleaned name,
    the next `_2`. `count` is the measure's name: such a column is `count_column`. A path is
    `column__field`.
    """
    wanted = [_field_name(column) for column in columns]
    wanted += [shortened(SCOPE.join(map(clean, path)), SCOPE.join(path)) for path in inside]
    if len(set(wanted)) == len(wanted):
        return wanted
    exact = [name == column for name, column in zip(wanted, columns, strict=False)]
    exact += [False] * len(inside)
    taken = {name for name, kept in zip(wanted, exact, strict=True) if kept}
    return [name if kept else _free(name, taken) for name, kept in zip(wanted, exact, strict=True)]


def settle(wanted: Mapping[Identity, tuple[str, bool, str | None]]) -> dict[Identity, str]:
    """One view name for each table, no two the same.

    `wanted`: by the table, the name it would have alone, whether that is its own without cleaning,
    and the name it has already. Whoever has a name keeps it, since people refer to it; after those
    come the uncleaned names, then the order of the tables. Whoever comes too late gets a number.
    """
    found = {who: held for who, (_, _, held) in wanted.items() if held is not None}
    taken = set(found.values())
    rest = [who for who in wanted if who not in found]
    rest.sort(key=lambda who: (not wanted[who][1], *(part or "" for part in who)))
    late: list[Identity] = []
    for who in rest:
        name = wanted[who][0]
        if name in taken:
            late.append(who)
        else:
            taken.add(name)
            found[who] = name
    return found | {who: _free(wanted[who][0], taken) for who in late}


def derives(name: str, wanted: str) -> bool:
    """Whether `settle` may have given the name to a table that wanted another."""
    if name == wanted:
        return True
    head, _, number = name.rpartition("_")
    whole = head == wanted or (len(name) == MAX_LENGTH and wanted.startswith(head))
    return number.isdecimal() and bool(head) and whole


def _field_name(column: str) -> str:
    name = clean(column)
    if name == COUNT:
        return "count_column"
    return f"{name}_field" if name in _VALUES else name


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        ending = f"_{number}"
        free = name[: MAX_LENGTH - len(ending)] + ending
    taken.add(free)
    return free
