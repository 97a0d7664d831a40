"""The catalog of Oracle by one statement over its ALL_ views, which show what the user may see.

The statement is a union of facts, as for Exasol, whose reader of facts is used: an empty string is
null in both, so every fact is numbered rather than left empty. A column's default is a LONG, which
no union takes, and is not read.
Source: Oracle, "Database Reference", static data dictionary views.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.adapters.exasol.catalog import tables
from dragoman.dialects.catalog import CatalogFilter
from dragoman.dialects.names import LikePattern
from dragoman.dialects.sql.oracle import FUNCTIONS

__all__ = ["SCHEMAS", "condition", "count", "statement", "tables"]

_ESCAPE: Final = "!"
_OURS: Final = "NOT IN (SELECT USERNAME FROM ALL_USERS WHERE ORACLE_MAINTAINED = 'Y')"
SCHEMAS: Final = f"SELECT USERNAME FROM ALL_USERS WHERE USERNAME {_OURS} ORDER BY 1"  # noqa: S608
_TYPE: Final = (
    "c.DATA_TYPE || CASE WHEN c.DATA_TYPE = 'NUMBER' AND c.DATA_PRECISION IS NOT NULL"
    " THEN '(' || c.DATA_PRECISION || ',' || NVL(c.DATA_SCALE, 0) || ')'"
    " WHEN c.CHAR_LENGTH > 0 THEN '(' || c.CHAR_LENGTH || ')'"
    " WHEN c.DATA_TYPE = 'RAW' THEN '(' || c.DATA_LENGTH || ')' END"
)
_PARTS: Final = (
    (
        "t.OWNER",
        "t.TABLE_NAME, '1', '-', 0, '-', m.COMMENTS, TO_CHAR(t.NUM_ROWS), NULL, NULL"
        " FROM ALL_TABLES t LEFT JOIN ALL_TAB_COMMENTS m"
        " ON m.OWNER = t.OWNER AND m.TABLE_NAME = t.TABLE_NAME WHERE t.NESTED = 'NO'",
    ),
    (
        "v.OWNER",
        "v.VIEW_NAME, '2', '-', 0, '-', m.COMMENTS, NULL, NULL, NULL"
        " FROM ALL_VIEWS v LEFT JOIN ALL_TAB_COMMENTS m"
        " ON m.OWNER = v.OWNER AND m.TABLE_NAME = v.VIEW_NAME WHERE 1 = 1",
    ),
    (
        "c.OWNER",
        f"c.TABLE_NAME, '3', '-', c.COLUMN_ID, c.COLUMN_NAME, {_TYPE},"
        " CASE c.NULLABLE WHEN 'Y' THEN '1' ELSE '0' END, NULL, m.COMMENTS"
        " FROM ALL_TAB_COLUMNS c LEFT JOIN ALL_COL_COMMENTS m ON m.OWNER = c.OWNER"
        " AND m.TABLE_NAME = c.TABLE_NAME AND m.COLUMN_NAME = c.COLUMN_NAME"
        " WHERE c.COLUMN_ID IS NOT NULL",
    ),
    (
        "k.OWNER",
        "k.TABLE_NAME, '4', k.CONSTRAINT_NAME, x.POSITION, x.COLUMN_NAME,"
        " r.OWNER, r.TABLE_NAME, r.COLUMN_NAME, NULL"
        " FROM ALL_CONSTRAINTS k JOIN ALL_CONS_COLUMNS x"
        " ON x.OWNER = k.OWNER AND x.CONSTRAINT_NAME = k.CONSTRAINT_NAME"
        " LEFT JOIN ALL_CONS_COLUMNS r ON r.OWNER = k.R_OWNER"
        " AND r.CONSTRAINT_NAME = k.R_CONSTRAINT_NAME AND r.POSITION = x.POSITION"
        " WHERE (k.CONSTRAINT_TYPE = 'P' OR k.CONSTRAINT_TYPE = 'R' AND r.OWNER IS NOT NULL)",
    ),
)


def statement(wanted: CatalogFilter) -> str:
    """The statement; patterns stand in it as literals."""
    parts = [
        f"SELECT {owner}, {rest} AND {owner} {_OURS} AND {condition(wanted, owner)}"
        for owner, rest in _PARTS
    ]
    return " UNION ALL ".join(parts) + " ORDER BY 1, 2, 3, 4, 5"


def count(schemas: list[str]) -> str:
    """A statement that counts the tables and views of these schemas (all when empty)."""
    chosen = f"IN ({', '.join(map(FUNCTIONS.string, schemas))})" if schemas else _OURS
    return (
        "SELECT COUNT(*) FROM (SELECT TABLE_NAME FROM ALL_TABLES"  # noqa: S608 - literals
        f" WHERE OWNER {chosen} UNION ALL SELECT VIEW_NAME FROM ALL_VIEWS WHERE OWNER {chosen})"
    )


def condition(wanted: CatalogFilter, owner: str) -> str:
    """The schemas that are wanted, `owner` being the expression of their name; SAP HANA's too."""
    include = "1 = 1"
    if wanted.include.patterns:
        include = _any_of(wanted.include_like(_ESCAPE), owner, wanted.include.fold)
    if left_out := wanted.leave_out_like(_ESCAPE):
        include += f" AND NOT {_any_of(left_out, owner, fold=False)}"
    return include


def _any_of(patterns: list[LikePattern], owner: str, fold: bool) -> str:
    """A pattern with a catalog fits nothing: one database is read."""
    asked = [FUNCTIONS.string(p.schema) for p in patterns if p.catalog is None]
    if not asked:
        return "(1 = 0)"
    side, wrap = (f"LOWER({owner})", "LOWER({})") if fold else (owner, "{}")
    return (
        "(" + " OR ".join(f"{side} LIKE {wrap.format(t)} ESCAPE '{_ESCAPE}'" for t in asked) + ")"
    )
