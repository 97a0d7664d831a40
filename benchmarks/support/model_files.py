"""The same model as files of this language and as LookML: views with fifteen columns."""

from __future__ import annotations

from collections.abc import Iterator

COLUMNS = 15
MEASURES = 4


def schema_views(count: int) -> dict[str, str]:
    """The schema layer's files, as inference writes them."""
    files: dict[str, str] = {}
    for number in range(count):
        lines = [f"# Reference this view as t{number}", "schema: public", f"table_name: t{number}"]
        lines += ["dimensions:"]
        for column in range(COLUMNS):
            lines += [f"  col_{column}:", f"    sql: '\"COL_{column}\"'"]
        lines += ["    primary_key: true", "measures:", "  count:", "    aggregate_type: count", ""]
        files[f"public/t{number}.view"] = "\n".join(lines)
    return files


def shared_views(count: int) -> dict[str, str]:
    """What people add to them: labels, descriptions, a derived dimension, measures with filters."""
    return {f"public/t{number}.view": "\n".join(_shared(number)) + "\n" for number in range(count)}


def _shared(number: int) -> Iterator[str]:
    yield f"# Reference this view as t{number}"
    yield f"label: Table {number}"
    yield "dimensions:"
    for column in range(COLUMNS):
        yield f"  col_{column}:"
        yield f"    label: Column {column}"
        yield f"    description: Words about column {column}, as people write them"
    yield "  spread:"
    yield "    sql: ${col_1} - COALESCE(${col_2}, 0)"
    yield "measures:"
    for measure in range(MEASURES):
        yield f"  total_{measure}:"
        yield f"    sql: ${{col_{measure}}}"
        yield "    aggregate_type: sum"
        yield f"    filters: {{col_{COLUMNS - 1}: {{is: complete}}}}"


def relationships(count: int) -> str:
    """Each table to the one before it."""
    return "".join(
        f"- join_from_view: t{number}\n  join_to_view: t{number - 1}\n"
        f"  relationship_type: many_to_one\n"
        f"  on_sql: ${{t{number}.col_1}} = ${{t{number - 1}.col_14}}\n"
        for number in range(1, count)
    )


def lookml(number: int) -> str:
    """One view of the merged model in LookML."""
    lines = [f"view: t{number} {{", f"  sql_table_name: public.t{number} ;;"]
    lines += [f'  label: "Table {number}"']
    for column in range(COLUMNS):
        lines += [f"  dimension: col_{column} {{", f'    sql: ${{TABLE}}."COL_{column}" ;;']
        lines += [f'    label: "Column {column}"']
        lines += [f'    description: "Words about column {column}, as people write them"', "  }"]
    lines += ["  dimension: spread { sql: ${col_1} - COALESCE(${col_2}, 0) ;; }"]
    lines += ["  measure: count { type: count }"]
    for measure in range(MEASURES):
        lines += [f"  measure: total_{measure} {{", f"    sql: ${{col_{measure}}} ;;"]
        lines += ["    type: sum", f'    filters: [col_{COLUMNS - 1}: "complete"]', "  }"]
    return "\n".join([*lines, "}", ""])
