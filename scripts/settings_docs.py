"""Writes the table of settings into docs/configuration.md, between its two marks.

python -m scripts.settings_docs           rewrite the page
python -m scripts.settings_docs --check   exit 1 when the page is not current
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from dragoman.secret import SecretStr
from dragoman.settings import PREFIX, Settings
from scripts import marked

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
BEGIN = "<!-- settings: written by scripts/settings_docs.py -->"
END = "<!-- end of settings -->"


def table() -> str:
    """The settings as a Markdown table, one row each, in the order of the class."""
    lines = ["| Setting | Variable | Default | What it does |", "| --- | --- | --- | --- |"]
    hints = get_type_hints(Settings)
    for item in dataclasses.fields(Settings):
        told = _escaped(str(item.metadata["help"]))
        if get_origin(hints[item.name]) is Literal:
            told += (
                " One of " + ", ".join(f"`{value}`" for value in get_args(hints[item.name])) + "."
            )
        variable = f"`{PREFIX}{item.name.upper()}`"
        lines.append(f"| `{item.name}` | {variable} | {_default(item)} | {told} |")
    return "\n".join(lines)


def current(page: str) -> str:
    """The page with the table in place of what stands between the marks."""
    return marked.filled(page, BEGIN, END, table())


def _default(item: dataclasses.Field[Any]) -> str:
    if item.default is dataclasses.MISSING:
        # The only one that depends on the machine is the home.
        return "`~/.local/share/dragoman`"
    value = item.default
    if isinstance(value, tuple):
        value = ",".join(cast("tuple[str, ...]", value))
    if isinstance(value, SecretStr) or value == "":
        return "(empty)"
    return f"`{value}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    raise SystemExit(marked.main(PAGE, current, "python -m scripts.settings_docs"))
