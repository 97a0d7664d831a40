"""The catalog of a Unity Catalog catalog by one statement over its information_schema.

The statement is a union of facts (table, column, key column) that one sort brings together. Tags
take another: older runtimes have none.
A Hive metastore has no information_schema: it cannot be read here.
Source: Databricks documentation, "Information schema".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, Table, TableKind
from dragoman.dialects.names import LikePattern
from dragoman.dialects.sql.databricks import FUNCTIONS

# schema, table, kind of fact, key, position, column, and four values.
Fact = tuple[Any, ...]

_TABLE, _COLUMN, _KEY = "1", "2", "3"
_ESCAPE: Final = "!"
_KINDS: Final = {
    "VIEW": TableKind.VIEW,
    "METRIC_VIEW": TableKind.VIEW,
    "MATERIALIZED_VIEW": TableKind.MATERIALIZED_VIEW,
    "FOREIGN": TableKind.FOREIGN_TABLE,
}
_PARTS: Final = (
    f"SELECT t.table_schema, t.table_name, '{_TABLE}', '', 0, '', t.table_type, t.comment,"  # noqa: S608 - constants
    " s.comment, NULL FROM {0}.tables AS t"
    " LEFT JOIN {0}.schemata AS s ON s.schema_name = t.table_schema"
    " WHERE t.table_schema <> 'information_schema'",
    f"SELECT t.table_schema, t.table_name, '{_COLUMN}', '', t.ordinal_position, t.column_name,"  # noqa: S608 - constants
    " t.full_data_type, t.is_nullable, t.column_default, t.comment FROM {0}.columns AS t"
    " WHERE t.table_schema <> 'information_schema'",
    f"SELECT t.table_schema, t.table_name, '{_KEY}', t.constraint_name, t.ordinal_position,"  # noqa: S608 - constants
    " t.column_name, u.table_catalog, u.table_schema, u.table_name, u.column_name"
    " FROM {0}.key_column_usage AS t"
    " LEFT JOIN {0}.referential_constraints AS r"
    " ON r.constraint_schema = t.constraint_schema AND r.constraint_name = t.constraint_name"
    " LEFT JOIN {0}.key_column_usage AS u"
    " ON u.constraint_schema = r.unique_constraint_schema"
    " AND u.constraint_name = r.unique_constraint_name"
    " AND u.ordinal_position = t.position_in_unique_constraint"
    " WHERE t.table_schema <> 'information_schema'",
)


def schemas(database: str) -> str:
    """A statement that lists the schemas."""
    return (
        f"SELECT schema_name FROM {_information(database)}.schemata"  # noqa: S608 - quoted
        " WHERE schema_name <> 'information_schema' ORDER BY schema_name"
    )


def count(database: str, chosen: list[str]) -> str:
    """A statement that counts the tables and views of these schemas (all when empty)."""
    condition = "table_schema <> 'information_schema'"
    if chosen:
        condition = f"table_schema IN ({', '.join(map(FUNCTIONS.string, chosen))})"
    return f"SELECT count(*) FROM {_information(database)}.tables WHERE {condition}"  # noqa: S608


def statement(database: str, wanted: CatalogFilter) -> str:
    """The statement; patterns stand in it as literals."""
    information, condition = _information(database), _condition(wanted, database)
    parts = [f"{part.format(information)} AND {condition}" for part in _PARTS]
    return " UNION ALL ".join(parts) + " ORDER BY 1, 2, 3, 4, 5"


def metric_views(database: str, wanted: CatalogFilter) -> str:
    """A statement that gives schema, name, comment and YAML of each metric view."""
    source, condition = _information(database), _condition(wanted, database)
    return (
        "SELECT t.table_schema, t.table_name, t.comment, v.view_definition"  # noqa: S608 - quoted
        f" FROM {source}.tables AS t JOIN {source}.views AS v"
        " ON v.table_schema = t.table_schema AND v.table_name = t.table_name"
        f" WHERE t.table_type = 'METRIC_VIEW' AND {condition} ORDER BY 1, 2"
    )


def tags(database: str, wanted: CatalogFilter) -> str:
    """A statement that gives schema, table, column, name and value of each tag.

    Source: Databricks documentation, "TABLE_TAGS", "COLUMN_TAGS" (runtime 13.3 and later).
    """
    source, condition = _information(database), _condition(wanted, database)
    return " UNION ALL ".join(
        f"SELECT t.table_schema, t.table_name, t.column_name, t.tag_name, t.tag_value"  # noqa: S608 - quoted
        f" FROM (SELECT schema_name AS table_schema, table_name, {column} AS column_name, tag_name,"
        f" tag_value FROM {source}.{view}) AS t WHERE {condition}"
        for view, column in (("table_tags", "''"), ("column_tags", "column_name"))
    )


def tables(facts: Iterable[Fact], database: str, wanted: CatalogFilter) -> Iterator[Table]:
    """Tables of the statement's rows, one at a time."""
    wants = wanted.memo()
    for (schema, name), group in groupby(facts, key=itemgetter(0, 1)):
        if wants(schema, database):
            table = _table(database, schema, name, group)
            if table is not None:
                yield table


def _table(database: str, schema: str, name: str, facts: Iterable[Fact]) -> Table | None:
    """None where table and columns are not both there: dropped or made meanwhile."""
    table: Table | None = None
    for _, _, kind, key, position, column, *values in facts:
        if kind == _TABLE:
            of = _KINDS.get(values[0], TableKind.TABLE)
            table = Table(database, schema, name, of, values[1] or None, [], [], [], None)
            table.schema_comment = values[2] or None
        elif table is None:
            return None
        elif kind == _COLUMN:
            said, nullable, default, comment = values
            table.columns.append(
                Column(
                    *(column, int(position), said, nullable == "YES"),
                    *(default, comment or None, None),
                )
            )
        else:
            _add_key(table, key, column, *values)
    if table is None or not table.columns:
        return None
    _number_key(table)
    return table


def _add_key(
    table: Table, key: str, column: str, catalog: str | None, schema: str, to_table: str, to: str
) -> None:
    if catalog is None:
        table.primary_key.append(column)
        return
    keys = table.foreign_keys
    if not keys or keys[-1].name != key:
        elsewhere = None if catalog == table.catalog else catalog
        keys.append(ForeignKey(key, [], schema, to_table, [], elsewhere))
    keys[-1].columns.append(column)
    keys[-1].referenced_columns.append(to)


def _number_key(table: Table) -> None:
    by_name = {column.name: column for column in table.columns}
    for place, name in enumerate(table.primary_key, 1):
        if name in by_name:
            by_name[name].primary_key_position = place


def _condition(wanted: CatalogFilter, database: str) -> str:
    include = _any_of(wanted.include_like(_ESCAPE), database, fold=wanted.include.fold)
    leave_out = _any_of(wanted.leave_out_like(_ESCAPE), database, fold=False)
    return f"{include if wanted.include.patterns else 'TRUE'} AND NOT {leave_out}"


def _any_of(patterns: list[LikePattern], database: str, *, fold: bool) -> str:
    conditions = [_fits(pattern, database, fold) for pattern in patterns]
    return f"({' OR '.join(conditions)})" if conditions else "FALSE"


def _fits(pattern: LikePattern, database: str, fold: bool) -> str:
    schema = _like("lower(t.table_schema)" if fold else "t.table_schema", pattern.schema)
    if pattern.catalog is None:
        return schema
    name = FUNCTIONS.string(database)
    return f"({_like(f'lower({name})' if fold else name, pattern.catalog)} AND {schema})"


def _like(name: str, pattern: str) -> str:
    return f"{name} LIKE {FUNCTIONS.string(pattern)} ESCAPE '{_ESCAPE}'"


def _information(database: str) -> str:
    return "`" + database.replace("`", "``") + "`.information_schema"
