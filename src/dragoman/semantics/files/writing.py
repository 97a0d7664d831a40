"""Plain data to the text of a file: block style, keys in the language's order."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from dragoman.semantics.files import scalars
from dragoman.semantics.files.paths import FileKind
from dragoman.semantics.plain import is_map

# The order in which a file is read best: what it is, where its rows come from, its fields.
_FIRST = (
    *("schema", "catalog", "table_name", "semantic_table", "uploaded_table_name", "sql", "query"),
    "base_view",
    *("extends", "template", "label", "base_view_label", "schema_label", "view_label"),
    *("group_label", "description", "aliases", "hidden", "ignored", "shallow_ignored"),
    *("display_order", "tags"),
)
_LAST = ("joins", "relationships", "views", "dimensions", "measures", "filters", "sets")
_RANK = {name: at for at, name in enumerate(_FIRST)} | {
    name: 1000 + at for at, name in enumerate(_LAST)
}


def write(data: Any, kind: FileKind | None = None) -> str:
    """The text of a file. `kind`: put the keys at the top in the language's order.

    What `read` makes of the text equals `data`. Aliases are never written.
    """
    if not data:
        return "[]\n" if kind is FileKind.RELATIONSHIPS else "{}\n"
    import yaml

    if kind is not None and is_map(data):
        data = ordered(data)
    text: str = yaml.dump(
        data,
        Dumper=_dumper(),
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=1_000_000,
    )
    # What the library ends a document with whose text keeps its last line ends.
    return text.removesuffix("...\n")


def ordered(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same map with its keys in the language's order; those it does not know in between."""
    return dict(sorted(data.items(), key=lambda item: _RANK.get(item[0], 500)))


@functools.cache
def _dumper() -> Any:
    import yaml

    class Dumper(yaml.CSafeDumper):
        """Quotes whatever YAML 1.1 or 1.2 would read as something other than text."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=_style(value))

    Dumper.add_representer(str, text)
    return Dumper


_NOT_LITERAL = re.compile(r"[ \t]\n|[ \t]\Z|\A[ \t\n]|[^\n\t\x20-\x7e\xa0-\ud7ff\ue000-\ufefe]")


def _style(value: str) -> str | None:
    if "\n" in value:
        return '"' if _NOT_LITERAL.search(value) else "|"
    if value and not isinstance(scalars.plain(value), str):
        return "'"  # a number of YAML 1.2 that YAML 1.1 takes for text, such as 1e3
    return None
