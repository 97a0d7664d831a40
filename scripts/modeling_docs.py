"""Writes the parameters of the modeling language into docs/modeling-language.md, between its marks.

python -m scripts.modeling_docs           rewrite the page
python -m scripts.modeling_docs --check   exit 1 when the page is not current
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dragoman.semantics.files.paths import FileKind
from dragoman.semantics.schema import document
from scripts import marked

PAGE = Path(__file__).resolve().parents[1] / "docs" / "modeling-language.md"
BEGIN, END = "<!-- parameters:begin -->", "<!-- parameters:end -->"
# Each map that has a section of its own: its heading, and the file whose schema tells it.
_SECTIONS: tuple[tuple[str, FileKind, str | None], ...] = (
    ("Model file", FileKind.MODEL, None),
    ("View", FileKind.VIEW, None),
    ("Dimension", FileKind.VIEW, "dimension"),
    ("Measure", FileKind.VIEW, "measure"),
    ("Filter-only field", FileKind.VIEW, "filter_field"),
    ("Query of a view", FileKind.VIEW, "query"),
    ("Relationship", FileKind.RELATIONSHIPS, "relationship"),
    ("Topic", FileKind.TOPIC, None),
    ("Access filter", FileKind.TOPIC, "access_filter"),
    ("Composite topic", FileKind.COMPOSITE_TOPIC, None),
    ("Filter operators", FileKind.VIEW, "filter"),
)
_LINKS = {name: heading for heading, _, name in _SECTIONS if name is not None} | {
    "view": "View",
    "filters": "Filter operators",
}
# What a property means that is told by its own section only.
_MEANINGS = {
    f"#/$defs/{name}": schema.get("description", "")
    for kind in FileKind
    for name, schema in document(kind).get("$defs", {}).items()
}
_TYPES = {
    "string": "text",
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "object": "map",
    "null": "empty",
}


def parameters() -> str:
    """Every section with its table."""
    return "\n\n".join(f"### {heading}\n\n{_body(*at)}" for heading, *at in _SECTIONS)


def current(page: str) -> str:
    """The page with the tables in place of what stands between the marks."""
    return marked.filled(page, BEGIN, END, parameters())


def _body(kind: FileKind, name: str | None) -> str:
    whole = document(kind)
    schema = whole if name is None else whole["$defs"][name]
    lines = ["| Parameter | Value | Default | Meaning |", "| --- | --- | --- | --- |"]
    lines += _rows(schema, "")
    return f"{schema['description']}\n\n" + "\n".join(lines)


def _rows(schema: dict[str, Any], above: str) -> Iterator[str]:
    required = schema.get("required", ())
    for name, one in schema["properties"].items():
        meaning = one.get("description") or _MEANINGS.get(one.get("$ref"), "")
        if name in required:
            meaning = f"{meaning} Required." if meaning else "Required."
        default = one.get("default")
        shown = "" if default is None else f"`{_default(default)}`"
        cells = (f"`{above}{name}`", _type(one), shown, meaning)
        yield "| " + " | ".join(_escaped(cell) for cell in cells) + " |"
        inner = _record(one)
        if inner is not None:
            yield from _rows(inner, f"{above}{name}.")


def _default(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _record(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The map with known keys inside a property, which is told below it."""
    if "properties" in schema:
        return schema
    for key in ("items", "additionalProperties"):
        inner = schema.get(key)
        if isinstance(inner, dict):
            return _record(inner)
    return next((r for one in schema.get("anyOf", ()) if (r := _record(one))), None)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _link(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(
            dict.fromkeys(_type(one) for one in schema["anyOf"] if one != {"type": "null"})
        )
    return _plain(schema)


def _plain(schema: dict[str, Any]) -> str:
    kinds = schema.get("type")
    if kinds == "array":
        return f"list of {_type(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'])}"
    if isinstance(kinds, list):
        return "value" if "null" in kinds else "text"
    return _TYPES.get(str(kinds), "anything")


def _link(name: str) -> str:
    heading = _LINKS.get(name)
    if heading is None:
        return "map of the same"  # `joins`, which is told where it stands
    return f"[{heading.lower()}](#{heading.lower().replace(' ', '-')})"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    raise SystemExit(marked.main(PAGE, current, "python -m scripts.modeling_docs"))
