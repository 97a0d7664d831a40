"""Changes inside a file that leave everything else as people wrote it.

The text is changed where the change is, by the offsets that the parser gives, so comments, order,
quotes and blank lines elsewhere stay byte for byte. What comes out is read again and compared with
the same change of the plain data; should they differ (or where brackets leave no other way) the
nearest block around the change, at worst the file below its head, is written anew.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dragoman.semantics.files.paths import FileKind, FilePath
from dragoman.semantics.files.reading import SourceFile, head_of, read
from dragoman.semantics.files.writing import write
from dragoman.semantics.plain import is_dict, is_list, is_map, same
from dragoman.semantics.problems import Edit, YamlPath

if TYPE_CHECKING:
    from dragoman.semantics.files.spans import Span, Spans

_ANY = FilePath("any.view", FileKind.VIEW, "any", "")
_LIST = FilePath("relationships", FileKind.RELATIONSHIPS, "relationships", "")
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+[ \t]*")
_MANY = 200
# Changes times characters, for changes that are made one by one: about two seconds.
_MOST_WORK = 2_000_000


class CannotEdit(ValueError):
    """The file cannot be read, or the path leads nowhere in it."""


def edit(text: str, edits: Iterable[Edit]) -> str:
    """The text with some changes, one after the other. Raises `CannotEdit`.

    Anchors are written out first (`expanded`). Lines that all end in CR LF go on doing so.
    """
    changes = list(edits)
    if "\r\n" in text and text.count("\n") == text.count("\r\n"):
        return edit(text.replace("\r\n", "\n"), changes).replace("\n", "\r\n")
    if len(changes) > 1:
        together = _together(text, changes)
        if together is not None:
            return together
        if len(changes) * len(text) > _MOST_WORK:
            return _rewritten(text, _all_applied(_source(text).data, changes))
    for change in changes:
        text = _edited(text, change)
    return text


# From, to, how far it is indented, and what stands there then.
_Part = tuple[int, int, int, str]


def _together(text: str, changes: list[Edit]) -> str | None:
    """Many changes, for which the text is read once instead of once for each; None where they touch
    each other, or the short way does not lead there."""
    text = expanded(text)
    wanted = _all_applied(_source(text).data, changes)
    spans = _spans(text).of
    parts: list[_Part] = []
    for change in changes:
        part = _part(text, change, spans)
        if part is None:
            return None
        parts.append(part)
    made, at = "", 0
    # Of what is added at one place the innermost comes first: it ends its block.
    for start, end, _, fresh in sorted(parts, key=lambda part: (part[0], part[1], -part[2])):
        if start < at:
            return None
        made, at = made + text[at:start] + fresh, end
    made += text[at:]
    return made if wanted and _same(made, wanted) else None


def _part(text: str, change: Edit, spans: dict[YamlPath, Span]) -> _Part | None:
    span = spans.get(change.path)
    if change.rename is not None:
        return None if span is None else (*_key_place(text, span), 0, _key(change.rename))
    if span is None:
        added = None if change.delete else _addition(text, change, spans)
        if added is None:
            return None
        at, fresh = added
        return at, at, len(fresh) - len(fresh.lstrip(" ")), f"\n{fresh}"
    if span.flow:
        return None
    if change.delete:
        return _line_start(text, span.start), _line_end(text, span.end) + 1, 0, ""
    fresh = _dumped(change.path[-1], change.value, span.column)
    behind = text[span.end : _line_end(text, span.end)].strip()
    return None if behind and "\n" in fresh else (span.start, span.end, 0, fresh)


def expanded(text: str) -> str:
    """The text with every alias and merge written out and no anchors left. Raises `CannotEdit`."""
    source = _source(text)
    if not source.aliased:
        return text
    spans = _spans(text)
    aliases = [path for path, span in spans.of.items() if span.inside == "alias"]
    keys = sum(len(_at(source.data, p[:-1])) for p in spans.merges if _inside(source.data, p[:-1]))
    if len(aliases) > _MANY or (len(aliases) + keys) * len(text) > _MOST_WORK:
        return _rewritten(text, source.data)
    made = text
    for path in aliases:
        if path not in spans.merges and _inside(source.data, path):
            made = _splice(made, Edit(path, _at(source.data, path))) or made
    for merge in spans.merges:
        made = _merged(made, source.data, merge)
    made = _without_anchors(made)
    return made if _same(made, source.data) else _rewritten(text, source.data)


def _merged(text: str, data: Any, merge: YamlPath) -> str:
    """The keys that `<<` gave, written where they count."""
    if not _inside(data, merge[:-1]):
        return text
    own = {path[-1] for path in _spans(text).of if path[:-1] == merge[:-1]}
    for key, value in _at(data, merge[:-1]).items():
        if key not in own:
            text = _splice(text, Edit((*merge[:-1], key), value)) or text
    return _splice(text, Edit(merge, delete=True)) or text


def _without_anchors(text: str) -> str:
    for offset, name in sorted(_spans(text).anchors, reverse=True):
        found = _ANCHOR.match(text, offset)
        if found is not None and found[0].strip() == f"&{name}":
            text = text[:offset] + text[found.end() :]
    return "\n".join(line.rstrip() if line.endswith(": ") else line for line in text.split("\n"))


def _edited(text: str, change: Edit) -> str:
    text = expanded(text)
    source = _source(text)
    wanted = _applied(source.data, change)
    if same(wanted, source.data) and change.rename is None:
        return text
    if not wanted or not source.data or not change.path:
        return _rewritten(text, wanted)
    path = change.path
    candidate = _renamed(text, change) if change.rename is not None else _splice(text, change)
    while True:
        if candidate is not None and _same(candidate, wanted):
            return candidate
        path = path[:-1]
        if not path:
            return _rewritten(text, wanted)
        candidate = _splice(text, Edit(path, _at(wanted, path)))


def _source(text: str) -> SourceFile:
    source = read(_LIST if _is_list(text) else _ANY, text)
    if source.problems:
        first = source.problems[0]
        raise CannotEdit(f"line {first.line}: {first.message}")
    return source


def _is_list(text: str) -> bool:
    return text[len(head_of(text)) :].lstrip()[:1] in ("-", "[")


def _same(text: str, wanted: Any) -> bool:
    source = read(_LIST if is_list(wanted) else _ANY, text)
    return (
        not source.problems and same(source.data, wanted) and _order(source.data) == _order(wanted)
    )


def _order(data: Any) -> Any:
    return list(data) if is_map(data) else len(data)


def _rewritten(text: str, data: Any) -> str:
    return head_of(text) + write(data, FileKind.RELATIONSHIPS if is_list(data) else None)


def _spans(text: str) -> Spans:
    from dragoman.semantics.files.spans import Spans  # loads the parser

    spans = Spans(text)
    spans.document()
    return spans


def _inside(data: Any, path: YamlPath) -> bool:
    """Whether a path leads to something that can be changed in its own place."""
    try:
        _at(data, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _at(data: Any, path: YamlPath) -> Any:
    for step in path:
        data = data[step]
    return data


def _applied(data: Any, change: Edit) -> Any:
    """The plain data after a change; the data itself stays."""
    return _apply(copy.deepcopy(data), change)


def _all_applied(data: Any, changes: Iterable[Edit]) -> Any:
    """The same after several."""
    made = copy.deepcopy(data)
    for change in changes:
        made = _apply(made, change)
    return made


def _apply(made: Any, change: Edit) -> Any:
    if not change.path:
        return change.value
    parent = made
    for step in change.path[:-1]:
        parent = _step(parent, step, change)
    last = change.path[-1]
    if change.rename is not None:
        _rename(parent, last, change)
    elif change.delete:
        if _inside(parent, (last,)):
            del parent[last]
    elif not _put(parent, last, change.value):
        raise CannotEdit(f"Nothing at {_shown(change.path)}")
    return made


def _put(parent: Any, last: str | int, value: Any) -> bool:
    value = copy.deepcopy(value)  # a later change may reach into it
    if is_list(parent) and isinstance(last, int):
        if last == len(parent):
            parent.append(value)
        elif last < len(parent):
            parent[last] = value
        return last < len(parent)
    if is_dict(parent) and isinstance(last, str):
        parent[last] = value
        return True
    return False


def _step(parent: Any, step: str | int, change: Edit) -> Any:
    """What is at a step; a map that is missing, or empty (`id:`), is made on the way."""
    if is_dict(parent) and isinstance(step, str):
        if parent.get(step) is None and not change.delete:
            parent[step] = {}
        if step in parent:
            return parent[step]
    elif _inside(parent, (step,)):
        return parent[step]
    if change.delete:
        return {}
    raise CannotEdit(f"Nothing at {_shown(change.path)}")


def _rename(parent: Any, last: str | int, change: Edit) -> None:
    if not is_dict(parent) or last not in parent:
        raise CannotEdit(f"Nothing at {_shown(change.path)}")
    if change.rename in parent and change.rename != last:
        raise CannotEdit(f"{change.rename} is there already")
    entries = [(change.rename if key == last else key, value) for key, value in parent.items()]
    parent.clear()
    parent.update(entries)


def _shown(path: YamlPath) -> str:
    return ".".join(map(str, path))


def _renamed(text: str, change: Edit) -> str | None:
    span = _spans(text).of.get(change.path)
    if span is None:
        return None
    start, end = _key_place(text, span)
    return text[:start] + _key(change.rename) + text[end:]


def _key(name: str | None) -> str:
    """A key as it is written."""
    return write({name: 1}).removesuffix(": 1\n")


def _key_place(text: str, span: Span) -> tuple[int, int]:
    """From where to where a key stands."""
    return span.start, text.index(":", span.start + len(_quoted_key(text, span.start)))


def _quoted_key(text: str, start: int) -> str:
    """A key in quotes may have colons in it."""
    quote = text[start] if text[start] in "\"'" else ""
    if not quote:
        return ""
    end = start + 1
    while text[end] != quote or (quote == "'" and text[end : end + 2] == "''"):
        end += 2 if text[end] == "\\" or text[end : end + 2] == "''" else 1
    return text[start : end + 1]


def _splice(text: str, change: Edit) -> str | None:
    """The text with one change in its place; None where this way does not lead there."""
    spans = _spans(text).of
    span = spans.get(change.path)
    if change.delete:
        return _deleted(text, change.path, spans) if span is not None else text
    if span is not None:
        return None if span.flow else _replaced(text, change, span)
    return _inserted(text, change, spans)


def _dumped(key: str | int, value: Any, column: int) -> str:
    """A key with its value, or an item of a list, indented as it stands in the text."""
    whole = write({key: value}) if isinstance(key, str) else write([value])
    first, *more = whole.removesuffix("\n").split("\n")
    if isinstance(key, int):
        first, column = first[2:], column - 2
    return "\n".join([first, *(" " * column + line if line else line for line in more)])


def _replaced(text: str, change: Edit, span: Span) -> str:
    fresh = _dumped(change.path[-1], change.value, span.column)
    end = span.end
    line_end = _line_end(text, end)
    comment = text[end:line_end].strip()
    if "\n" in fresh and comment:
        # Behind a block a comment would change what it says: it goes above.
        start = _line_start(text, span.start)
        above = " " * span.column + comment + "\n"
        return text[:start] + above + text[start : span.start] + fresh + text[line_end:]
    gap = "" if text[end : end + 1] in ("", "\n", "\r", " ", "\t") else "\n"
    return text[: span.start] + fresh + gap + text[end:]


def _inserted(text: str, change: Edit, spans: dict[YamlPath, Span]) -> str | None:
    added = _addition(text, change, spans)
    return None if added is None else f"{text[: added[0]]}\n{added[1]}{text[added[0] :]}"


def _addition(text: str, change: Edit, spans: dict[YamlPath, Span]) -> tuple[int, str] | None:
    """Where a new key or item goes, behind the last of its siblings, and its lines."""
    parent = change.path[:-1]
    siblings = [span for path, span in spans.items() if path[:-1] == parent and path]
    if not siblings or siblings[-1].flow:
        return None
    last = max(siblings, key=lambda span: span.end)
    key = change.path[-1]
    dash = "- " if isinstance(key, int) else ""
    column = siblings[0].column
    fresh = " " * (column - len(dash)) + dash + _dumped(key, change.value, column)
    return _line_end(text, last.end), fresh


def _deleted(text: str, path: YamlPath, spans: dict[YamlPath, Span]) -> str | None:
    span = spans[path]
    siblings = [one for other, one in spans.items() if other[:-1] == path[:-1] and other]
    start = _line_start(text, span.start)
    before = text[start : span.start].strip()
    alone = before == "" if isinstance(path[-1], str) else before == "-"
    if span.flow or len(siblings) < 2 or not alone:
        return None
    return text[:start] + text[_line_end(text, span.end) + 1 :]


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    found = text.find("\n", offset)
    return len(text) if found < 0 else found
