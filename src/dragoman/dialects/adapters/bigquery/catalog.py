"""The catalog of BigQuery: INFORMATION_SCHEMA of a project's region, and of its datasets for keys.

Each statement is billed like any other (10 MB at the least), so there are two for a project.
Source: BigQuery documentation, "INFORMATION_SCHEMA" (COLUMNS, COLUMN_FIELD_PATHS, TABLE_OPTIONS,
KEY_COLUMN_USAGE, TABLE_CONSTRAINTS).
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.base import Target
from dragoman.dialects.catalog import CatalogFilter, Column, Table, TableKind
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.names import LikePattern, split_names
from dragoman.dialects.tags import word

Row = tuple[Any, ...]
Ask = Callable[[str, dict[str, Any] | None], list[Any]]
Keys = Mapping[tuple[str, str], list[str]]

_ESCAPE: Final = "\\"  # LIKE's own; there is no ESCAPE
_KINDS: Final = {
    "VIEW": TableKind.VIEW,
    "MATERIALIZED VIEW": TableKind.MATERIALIZED_VIEW,
    "EXTERNAL": TableKind.FOREIGN_TABLE,
}


def projects(target: Target) -> list[str]:
    """The connection's own project first, then the others that it names."""
    named = [target.database, *split_names(target.text("includeOtherCatalogs"))]
    return list(dict.fromkeys(name for name in named if name))


def source(project: str, region: str) -> str:
    """The views of all datasets of a region."""
    return f"{_named(project)}.{_named('region-' + region.lower())}.INFORMATION_SCHEMA"


def tables(
    ask: Ask, project: str, region: str, wanted: CatalogFilter, notices: list[str]
) -> Iterator[Table]:
    """Tables of one project, in the order of dataset and name."""
    wants = wanted.memo()
    sql, values = _statement(source(project, region), wanted)
    rows = [tuple(row) for row in ask(sql, values)]
    rows = [row for row in rows if wants(row[0], project)]
    keys = _primary_keys(ask, project, sorted({row[0] for row in rows}), notices)
    for (dataset, name), group in groupby(rows, key=itemgetter(0, 1)):
        yield _table(project, dataset, name, list(group), keys.get((dataset, name), []))


def _statement(views: str, wanted: CatalogFilter) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {}
    include = _any_of(wanted.include_like(_ESCAPE), values, fold=wanted.include.fold)
    if not wanted.include.patterns:
        include = "TRUE"
    # A pattern with a catalog would leave out too much here; `wants` sees to it.
    plain = [pattern for pattern in wanted.leave_out_like(_ESCAPE) if pattern.catalog is None]
    leave_out = _any_of(plain, values, fold=False)
    same = "{0}.table_schema = t.table_schema AND {0}.table_name = t.table_name"
    sql = f"""
SELECT t.table_schema, t.table_name, t.table_type, o.option_value, l.option_value,
  c.column_name, c.ordinal_position, c.data_type, c.is_nullable, p.description
FROM {views}.TABLES t
JOIN {views}.COLUMNS c ON {same.format("c")}
LEFT JOIN {views}.COLUMN_FIELD_PATHS p ON {same.format("p")} AND p.field_path = c.column_name
LEFT JOIN {views}.TABLE_OPTIONS o ON {same.format("o")} AND o.option_name = 'description'
LEFT JOIN {views}.TABLE_OPTIONS l ON {same.format("l")} AND l.option_name = 'labels'
WHERE {include} AND NOT {leave_out}
ORDER BY 1, 2, 7"""  # noqa: S608 - quoted and bound
    return sql, values


def _any_of(patterns: list[LikePattern], values: dict[str, Any], *, fold: bool) -> str:
    conditions: list[str] = []
    for pattern in patterns:
        name = f"p{len(values)}"
        values[name] = pattern.schema
        column, given = "t.table_schema", f"@{name}"
        if fold:
            column, given = f"LOWER({column})", f"LOWER({given})"
        conditions.append(f"{column} LIKE {given}")
    return f"({' OR '.join(conditions)})" if conditions else "FALSE"


def _primary_keys(ask: Ask, project: str, datasets: list[str], notices: list[str]) -> Keys:
    """These views exist for a dataset only: one statement joins them all."""
    parts = [
        f"SELECT k.table_schema, k.table_name, k.column_name, k.ordinal_position"  # noqa: S608
        f" FROM {views}.KEY_COLUMN_USAGE k JOIN {views}.TABLE_CONSTRAINTS c"
        f" ON c.constraint_name = k.constraint_name AND c.table_name = k.table_name"
        f" WHERE c.constraint_type = 'PRIMARY KEY'"
        for views in (f"{_named(project)}.{_named(d)}.INFORMATION_SCHEMA" for d in datasets)
    ]
    keys: dict[tuple[str, str], list[str]] = defaultdict(list)
    if not parts:
        return keys
    try:
        found = ask(" UNION ALL ".join(parts) + " ORDER BY 1, 2, 4", None)
    except DatabaseFailure:
        raise
    except Exception:  # noqa: BLE001 - the tables are known, their keys are not
        notices.append(f"The keys of {project} could not be read.")
        return keys
    for dataset, table, column, _ in found:
        keys[dataset, table].append(str(column))
    return keys


def _table(project: str, dataset: str, name: str, rows: list[Row], primary: list[str]) -> Table:
    kind = _KINDS.get(rows[0][2], TableKind.TABLE)
    columns = [_column(row, primary) for row in rows]
    comment, tags = _text(rows[0][3]), labels(rows[0][4])
    return Table(project, dataset, name, kind, comment, columns, primary, [], None, tags=tags)


def _column(row: Row, primary: list[str]) -> Column:
    name, position, kind, nullable, comment = row[5:]
    place = primary.index(name) + 1 if name in primary else None
    return Column(name, int(position), kind, nullable == "YES", None, comment or None, place)


def _text(literal: str | None) -> str | None:
    """An option's value is written as a literal of SQL, in double quotes."""
    if not literal:
        return None
    try:
        return str(ast.literal_eval(literal)) or None
    except (ValueError, SyntaxError):
        return literal


def labels(literal: str | None) -> list[str]:
    """The labels of an option's value, `[STRUCT("team", "sales"), STRUCT("pii", "")]`, as tags.

    Keys and values of labels hold no quotes (BigQuery documentation, "Requirements for labels").
    """
    pairs = re.findall(r'STRUCT\("([^"]*)",\s*"([^"]*)"\)', literal or "")
    return sorted({word(name, value) for name, value in pairs})


def _named(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
