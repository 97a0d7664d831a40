"""Unity Catalog's metric views, from their YAML.

Source: Databricks documentation, "Metric view YAML syntax reference".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from dragoman.dialects.semantic_objects import (
    ObjectKind,
    SemanticField,
    SemanticObject,
    SemanticTable,
)


def metric_view(
    catalog: str, schema: str, name: str, comment: str | None, written: str | None
) -> SemanticObject | None:
    """The metric view of a row; None where its YAML cannot be read."""
    parsed = _parsed(written or "")
    if parsed is None:
        return None
    said = parsed.get("comment")
    about = comment or (said if isinstance(said, str) else None)
    # From version 1.1 on they are called fields as well.
    dimensions = [*_fields(parsed, "dimensions", name), *_fields(parsed, "fields", name)]
    return SemanticObject(
        ObjectKind.METRIC_VIEW,
        catalog,
        schema,
        name,
        about,
        [SemanticTable(name, comment=about)],
        dimensions,
        metrics=list(_fields(parsed, "measures", name)),
    )


def _parsed(written: str) -> Mapping[str, Any] | None:
    import yaml

    try:
        found = yaml.safe_load(written)
    except (yaml.YAMLError, RecursionError):
        return None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None


def _fields(parsed: Mapping[str, Any], section: str, table: str) -> Iterable[SemanticField]:
    found = parsed.get(section)
    for each in cast("list[Any]", found) if isinstance(found, list) else ():
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            one = cast("dict[str, Any]", each)
            synonyms = one.get("synonyms")
            named = cast("list[Any]", synonyms) if isinstance(synonyms, list) else []
            yield SemanticField(
                table,
                one["name"],
                str(one.get("expr") or ""),
                comment=_text(one.get("comment")),
                synonyms=tuple(text for text in named if isinstance(text, str)),
                label=_text(one.get("display_name")),
            )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
