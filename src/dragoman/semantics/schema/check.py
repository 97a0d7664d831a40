"""Plain data against the language's schema: which keys and values a file may have.

The schema is turned into functions once; a file of a hundred lines is checked in a tenth of a
millisecond. Only the keywords that `shapes` writes are known here, and a test holds that a complete
validator of JSON Schema agrees.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dragoman.semantics.files.paths import FileKind
from dragoman.semantics.plain import is_list, is_map
from dragoman.semantics.problems import YamlPath
from dragoman.semantics.schema.documents import shared
from dragoman.semantics.schema.shapes import Schema
from dragoman.semantics.suggest import did_you_mean


class Finding(NamedTuple):
    """What is wrong, where, and what to do. `rename`: what a key was meant to be."""

    code: str
    message: str
    path: YamlPath
    fix: str
    rename: str | None = None


Check = Callable[[Any, YamlPath, list[Finding]], None]
_MAX_FINDINGS = 100
_KINDS: dict[str, Callable[[Any], bool]] = {
    "object": is_map,
    "array": is_list,
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "null": lambda v: v is None,
}
_WORDS = {
    "object": "a map",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "empty",
}


def check(kind: FileKind, data: Any) -> list[Finding]:
    """What in the data of a file is not as the language has it; at most 100 findings."""
    found: list[Finding] = []
    _checker(kind)(data, (), found)
    return found[:_MAX_FINDINGS]


@functools.cache
def _checker(kind: FileKind) -> Check:
    document = shared(kind)
    made: dict[str, Check] = {}
    definitions: Schema = document.get("$defs", {})
    for name, schema in definitions.items():
        made[name] = _compiled(schema, made)
    return _compiled(document, made)


def _compiled(schema: Any, definitions: dict[str, Check]) -> Check:
    if schema is True:
        return _anything
    if "$ref" in schema:
        return _later(schema["$ref"].rpartition("/")[2], definitions)
    if "anyOf" in schema:
        return _any_of(schema["anyOf"], definitions)
    if "enum" in schema:
        return _enum(schema["enum"])
    kinds: str | list[str] = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    inner = _inner(schema, definitions)
    tests = [_KINDS[kind] for kind in kinds]
    if not tests:
        return inner

    def typed(value: Any, path: YamlPath, found: list[Finding]) -> None:
        if any(test(value) for test in tests):
            inner(value, path, found)
        else:
            found.append(_wrong_type(kinds, value, path))

    return typed


def _anything(value: Any, path: YamlPath, found: list[Finding]) -> None:
    del value, path, found


def _later(name: str, definitions: dict[str, Check]) -> Check:
    """Definitions refer to each other in circles, so each is looked up when it is needed."""

    def check_definition(value: Any, path: YamlPath, found: list[Finding]) -> None:
        definitions[name](value, path, found)

    return check_definition


def _inner(schema: Schema, definitions: dict[str, Check]) -> Check:
    if "properties" in schema:
        return _record(schema, definitions)
    if "additionalProperties" in schema:
        return _map(schema, definitions)
    if "items" in schema:
        return _list(schema, definitions)
    return _scalar(schema)


def _record(schema: Schema, definitions: dict[str, Check]) -> Check:
    properties = {n: _compiled(s, definitions) for n, s in schema["properties"].items()}
    required: list[str] = schema.get("required", [])
    least = schema.get("minProperties", 0)

    def check_record(value: Any, path: YamlPath, found: list[Finding]) -> None:
        for key, inner in value.items():
            known = properties.get(key)
            if known is not None:
                known(inner, (*path, key), found)
            elif not key.startswith("x-"):
                found.append(_unknown(key, properties, (*path, key)))
        for key in required:
            if key not in value:
                message = f"`{key}` is missing"
                found.append(Finding("missing_key", message, path, f"Add `{key}: …`."))
        if len(value) < least:
            found.append(Finding("empty", "It says nothing", path, "Write an operator: `is: …`."))

    return check_record


def _map(schema: Schema, definitions: dict[str, Check]) -> Check:
    inner_check = _compiled(schema["additionalProperties"], definitions)
    names: Schema = schema.get("propertyNames", {})
    pattern = _regex(names["pattern"]) if names else None

    def check_map(value: Any, path: YamlPath, found: list[Finding]) -> None:
        for key, inner in value.items():
            if pattern is not None and not pattern.search(key):
                found.append(_bad_name(key, (*path, key)))
            inner_check(inner, (*path, key), found)

    return check_map


def _list(schema: Schema, definitions: dict[str, Check]) -> Check:
    item_check = _compiled(schema["items"], definitions)
    least, most = schema.get("minItems", 0), schema.get("maxItems")

    def check_list(value: Any, path: YamlPath, found: list[Finding]) -> None:
        if len(value) < least or (most is not None and len(value) > most):
            message = f"It takes {least} values, not {len(value)}"
            found.append(Finding("wrong_length", message, path, "Write `[from, to]`."))
        for at, item in enumerate(value):
            item_check(item, (*path, at), found)

    return check_list


def _scalar(schema: Schema) -> Check:
    pattern = _regex(schema["pattern"]) if "pattern" in schema else None
    least, most = schema.get("minimum"), schema.get("maximum")

    def check_scalar(value: Any, path: YamlPath, found: list[Finding]) -> None:
        if pattern is not None and isinstance(value, str) and not pattern.search(value):
            found.append(_bad_name(value, path))
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if least is not None and value < least:
                message = f"{value} is less than {least}"
                found.append(Finding("out_of_range", message, path, f"Write {least} or more."))
            if most is not None and value > most:
                message = f"{value} is more than {most}"
                found.append(Finding("out_of_range", message, path, f"Write {most} or less."))

    return check_scalar


def _regex(pattern: str) -> re.Pattern[str]:
    """Python's `$` also fits before a line feed at the end, that of JSON Schema does not."""
    return re.compile(pattern.removesuffix("$") + r"\Z")


def _enum(words: list[str]) -> Check:
    allowed = frozenset(words)

    def check_enum(value: Any, path: YamlPath, found: list[Finding]) -> None:
        if not isinstance(value, str) or value not in allowed:
            near = did_you_mean(str(value), words)
            fix = f"Did you mean {near}?" if near else f"One of: {', '.join(words)}."
            message = f"`{_last(path)}` cannot be {_shown(value)}"
            found.append(Finding("unknown_value", message, path, fix))

    return check_enum


def _any_of(schemas: list[Schema], definitions: dict[str, Check]) -> Check:
    branches = [_compiled(schema, definitions) for schema in schemas]

    def check_any(value: Any, path: YamlPath, found: list[Finding]) -> None:
        """Of the branches that fail, the one that came furthest into the value tells why."""
        best: list[Finding] | None = None
        for branch in branches:
            inside: list[Finding] = []
            branch(value, path, inside)
            if not inside:
                return
            if best is None or _depth(inside) > _depth(best):
                best = inside
        found.extend(best or ())

    return check_any


def _depth(found: list[Finding]) -> tuple[int, int]:
    shallow = min(len(finding.path) for finding in found)
    return shallow, sum(finding.code != "wrong_type" for finding in found)


def _unknown(key: str, known: Iterable[str], path: YamlPath) -> Finding:
    near = did_you_mean(key, known)
    fix = f"Did you mean `{near}`?" if near else f"Known here: {', '.join(known)}."
    return Finding("unknown_key", f'Unknown key "{key[:100]}"', path, fix, near)


def _bad_name(name: str, path: YamlPath) -> Finding:
    fix = "Names have letters, digits and `_`, and begin with no digit."
    return Finding("bad_name", f'"{name[:100]}" cannot be a name here', path, fix)


def _wrong_type(kinds: list[str], value: Any, path: YamlPath) -> Finding:
    words = [_WORDS[kind] for kind in kinds if kind != "null"]
    if "string" in kinds:
        words = ["a value" if "null" in kinds else "text"]
    expected = " or ".join(words)
    message = f"`{_last(path)}` must be {expected}, not {_shown(value)}"
    return Finding("wrong_type", message, path, f"Write {expected}.")


def _last(path: YamlPath) -> str:
    return next((step[:100] for step in reversed(path) if isinstance(step, str)), "the file")


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if is_map(value):
        return "a map"
    return "a list" if is_list(value) else repr(value)[:100]
