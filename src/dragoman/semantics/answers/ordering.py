"""Rows in the order that somebody asked for, where the database was not asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.semantics.query.request import Sort

# ruff: noqa: S608 - every name is quoted


def ordered(rows: Any, sorts: Sequence[Sort]) -> Any:
    """An Arrow table in order. Columns that it does not have order nothing."""
    import duckdb

    names = {name.lower(): name for name in rows.schema.names}
    terms = [
        f'"{name.replace(chr(34), chr(34) * 2)}" {"DESC" if sort.descending else "ASC"}'
        f" NULLS {'LAST' if sort.nulls_last else 'FIRST'}"
        for sort in sorts
        if (name := names.get(sort.column.lower())) is not None
    ]
    if not terms:
        return rows
    with duckdb.connect(config={"threads": "1", "enable_external_access": "false"}) as work:
        work.register("given", rows)
        return work.sql(f"SELECT * FROM given ORDER BY {', '.join(terms)}").to_arrow_table()
