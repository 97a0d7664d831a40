"""The catalog of SAP HANA by one statement over its SYS views.

The statement is a union of facts, as for Exasol, whose reader of facts is used. The views show what
the user has a privilege on.
Source: SAP, "SAP HANA SQL and System Views Reference", system views.
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.adapters.exasol.catalog import tables
from dragoman.dialects.adapters.oracle.catalog import condition
from dragoman.dialects.catalog import CatalogFilter
from dragoman.dialects.sql.sap_hana import FUNCTIONS

__all__ = ["SCHEMAS", "count", "statement", "tables"]

_OURS: Final = "NOT LIKE '!_SYS%' ESCAPE '!'"
SCHEMAS: Final = (
    "SELECT SCHEMA_NAME FROM SYS.SCHEMAS WHERE HAS_PRIVILEGES = 'TRUE'"  # noqa: S608 - no value
    f" AND SCHEMA_NAME {_OURS} AND SCHEMA_NAME NOT IN ('SYS', 'SYSTEM') ORDER BY 1"
)
_TYPE: Final = (
    "DATA_TYPE_NAME || CASE WHEN DATA_TYPE_NAME = 'DECIMAL' AND SCALE IS NOT NULL"
    " THEN '(' || LENGTH || ',' || SCALE || ')'"
    " WHEN DATA_TYPE_NAME IN ('NVARCHAR', 'VARCHAR', 'VARBINARY', 'NCHAR', 'CHAR')"
    " THEN '(' || LENGTH || ')' ELSE '' END"
)
_NULLABLE: Final = "CASE IS_NULLABLE WHEN 'TRUE' THEN '1' ELSE '0' END"
_TEXT_DEFAULT: Final = "TO_NVARCHAR(DEFAULT_VALUE)"
_PARTS: Final = (
    (
        "t.SCHEMA_NAME",
        "t.TABLE_NAME, '1', '-', 0, '-', t.COMMENTS, TO_NVARCHAR(m.RECORD_COUNT), NULL, NULL"
        " FROM SYS.TABLES t LEFT JOIN SYS.M_TABLES m ON m.SCHEMA_NAME = t.SCHEMA_NAME"
        " AND m.TABLE_NAME = t.TABLE_NAME WHERE t.IS_USER_DEFINED_TYPE = 'FALSE'",
    ),
    (
        "SCHEMA_NAME",
        "VIEW_NAME, '2', '-', 0, '-', COMMENTS, NULL, NULL, NULL FROM SYS.VIEWS WHERE 1 = 1",
    ),
    (
        "SCHEMA_NAME",
        f"TABLE_NAME, '3', '-', POSITION, COLUMN_NAME, {_TYPE}, {_NULLABLE}, {_TEXT_DEFAULT},"
        " COMMENTS FROM SYS.TABLE_COLUMNS WHERE 1 = 1",
    ),
    (
        "SCHEMA_NAME",
        f"VIEW_NAME, '3', '-', POSITION, COLUMN_NAME, {_TYPE}, {_NULLABLE}, NULL, COMMENTS"
        " FROM SYS.VIEW_COLUMNS WHERE 1 = 1",
    ),
    (
        "SCHEMA_NAME",
        "TABLE_NAME, '4', CONSTRAINT_NAME, POSITION, COLUMN_NAME, NULL, NULL, NULL, NULL"
        " FROM SYS.CONSTRAINTS WHERE IS_PRIMARY_KEY = 'TRUE'",
    ),
    (
        "SCHEMA_NAME",
        "TABLE_NAME, '4', CONSTRAINT_NAME, POSITION, COLUMN_NAME, REFERENCED_SCHEMA_NAME,"
        " REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME, NULL"
        " FROM SYS.REFERENTIAL_CONSTRAINTS WHERE 1 = 1",
    ),
)


def statement(wanted: CatalogFilter) -> str:
    """The statement; patterns stand in it as literals."""
    parts = [
        f"SELECT {schema}, {rest} AND {schema} {_OURS} AND {schema} NOT IN ('SYS', 'SYSTEM')"
        f" AND {condition(wanted, schema)}"
        for schema, rest in _PARTS
    ]
    return " UNION ALL ".join(parts) + " ORDER BY 1, 2, 3, 4, 5"


def count(schemas: list[str]) -> str:
    """A statement that counts the tables and views of these schemas (all when empty)."""
    chosen = f"IN ({', '.join(map(FUNCTIONS.string, schemas))})" if schemas else _OURS
    return (
        "SELECT COUNT(*) FROM (SELECT TABLE_NAME FROM SYS.TABLES"  # noqa: S608 - literals
        f" WHERE SCHEMA_NAME {chosen} AND SCHEMA_NAME NOT IN ('SYS', 'SYSTEM')"
        f" UNION ALL SELECT VIEW_NAME FROM SYS.VIEWS WHERE SCHEMA_NAME {chosen}"
        " AND SCHEMA_NAME NOT IN ('SYS', 'SYSTEM'))"
    )
