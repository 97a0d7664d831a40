"""Which view a file defines: the qualified name that other files use."""

from __future__ import annotations

import re
from collections.abc import Callable

from dragoman.semantics.files.paths import FilePath
from dragoman.semantics.files.reading import view_reference

_NOT_A_WORD = re.compile(r"[^A-Za-z0-9_]+")
_HEAD = "# Reference this view as "
_HEAD_LINE = re.compile(r"^(\ufeff?)#[ \t]*Reference this view as[^\n]*\n", re.MULTILINE)
_BOM = "\ufeff"


def _nothing(_: str) -> bool:
    return False


def view_name(path: FilePath, text: str, knows: Callable[[str], bool] = _nothing) -> str:
    """The qualified name of a view file.

    What its head says; else the name that its folder gives (`sales/users.view`: `sales__users`,
    `shop.sales/users.view`: `shop_sales__users`) where `knows` (the lower layers) has such a view;
    else the file's own name.
    """
    said = view_reference(text)
    if said is not None:
        return said
    if path.folder:
        scoped = f"{_NOT_A_WORD.sub('_', path.folder)}__{path.name}"
        if knows(scoped):
            return scoped
    return path.name


def with_reference(text: str, name: str) -> str:
    """The text of a view file with the head that says its name, behind a byte order mark and with
    the line end of the others."""
    if view_reference(text) == name:
        return text
    bare = without_reference(text)
    end = "\r\n" if "\r\n" in bare and bare.count("\n") == bare.count("\r\n") else "\n"
    mark = _BOM if bare.startswith(_BOM) else ""
    return f"{mark}{_HEAD}{name}{end}{bare.removeprefix(mark)}"


def without_reference(text: str) -> str:
    """The text without that head."""
    return text if view_reference(text) is None else _HEAD_LINE.sub(r"\1", text, count=1)
