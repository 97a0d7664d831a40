"""A file's text to plain data, its problems and the places of its keys."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dragoman.semantics.files import limits
from dragoman.semantics.files.paths import FileKind, FilePath, parse_path
from dragoman.semantics.problems import Mark, Problem, YamlPath

if TYPE_CHECKING:
    from dragoman.semantics.files.composer import MarkingComposer, Trouble

_SYNTAX = "Invalid YAML syntax"
_TABS = "Indent with blanks: YAML takes no tabs."
_QUOTES = (
    "Look at the indentation and the quotes here and in the line above; a value that begins with "
    "a quote, {, [, *, &, !, %, @ or `, or has `: ` or ` #` inside, goes into quotes as a whole."
)
_FIELDS = ("dimensions", "measures", "filters")
_REFERENCE = re.compile(r"^\ufeff?#[ \t]*Reference this view as[ \t]+(\S+)[ \t]*\r?$", re.MULTILINE)
_FEATURE = re.compile(r"^#[ \t]*!(enable|disable)_feature\((\w+)\)", re.MULTILINE)
_BEFORE_DATA = re.compile(r"\A\ufeff?(?:[ \t]*(?:#[^\n]*|---[ \t]*)?(?:\n|\Z))*")


@dataclass(frozen=True, eq=False)
class SourceFile:
    """A file that was read.

    `data`: a mapping, for `relationships` a list; empty where the text cannot be read, and then
    `problems` says why. `aliased`: the text uses anchors, which `data` has written out.
    """

    path: FilePath
    text: str
    data: Any
    problems: tuple[Problem, ...]
    aliased: bool = False

    @functools.cached_property
    def marks(self) -> Mapping[YamlPath, Mark]:
        """Where each key and list item stands; found when first asked for."""
        return marks(self.text)

    @property
    def reference(self) -> str | None:
        """The view name that the head of the file gives (`# Reference this view as …`)."""
        return view_reference(self.text)

    @property
    def features(self) -> dict[str, bool]:
        """Feature comments: `# !enable_feature(x)` gives {"x": True}."""
        return {name: verb == "enable" for verb, name in _FEATURE.findall(self.text)}


def read(path: str | FilePath, text: str) -> SourceFile:
    """Read a file. Never raises for what the text says. Raises `BadPath` for its name."""
    where = parse_path(path) if isinstance(path, str) else path
    empty: Any = [] if where.kind is FileKind.RELATIONSHIPS else {}
    if len(text) > limits.MAX_CHARACTERS:
        return SourceFile(where, text, empty, (_too_long(where, text),))
    data, troubles, aliased = _compose(text)
    if data is None:
        data = empty
    elif type(data) is not type(empty):
        troubles = [*troubles, _wrong_root(where.kind, text)]
        data = empty
    return SourceFile(where, text, data, tuple(_problem(where, t) for t in troubles), aliased)


def marks(text: str) -> Mapping[YamlPath, Mark]:
    """Where each key and list item of a text stands; up to the place where it cannot be read."""
    return {} if len(text) > limits.MAX_CHARACTERS else _marked(text)[0].marks


def view_reference(text: str) -> str | None:
    """The view name in the comments at the head of a file."""
    head = _BEFORE_DATA.match(text[:100_000])
    found = _REFERENCE.search(head[0]) if head else None
    return found[1] if found else None


def head_of(text: str) -> str:
    """The comments and blank lines before the data."""
    found = _BEFORE_DATA.match(text)
    return found[0] if found else ""


def _compose(text: str) -> tuple[Any, list[Trouble], bool]:
    """The data; the slow pass, which finds every problem, runs only where there is one."""
    import yaml

    from dragoman.semantics.files.composer import Composer, Trouble

    try:
        quick = Composer(text)
        return quick.document(), [], quick.aliased
    except (yaml.YAMLError, Trouble, UnicodeEncodeError):
        composer, data = _marked(text)
        return data, composer.troubles, composer.aliased


def _marked(text: str) -> tuple[MarkingComposer, Any]:
    import yaml

    from dragoman.semantics.files.composer import MarkingComposer, Trouble

    try:
        composer = MarkingComposer(text)
    except UnicodeEncodeError as error:
        composer = MarkingComposer("")
        composer.troubles.append(
            _at_offset(text, error.start, "a byte that is not UTF-8, or half of a character")
        )
        return composer, None
    try:
        return composer, composer.document()
    except Trouble as trouble:
        composer.troubles.append(trouble)
    except yaml.YAMLError as error:
        composer.troubles.append(_syntax(text, error))
    return composer, None


def _syntax(text: str, error: Any) -> Trouble:
    from dragoman.semantics.files.composer import Trouble

    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a character that YAML does not take; the position counts bytes
        before = text.encode()[: getattr(error, "position", 0)].decode(errors="ignore")
        return _at_offset(text, len(before), str(getattr(error, "reason", "")) or str(error))
    what = ", ".join(filter(None, (error.context, error.problem)))
    fix = _TABS if text[mark.index : mark.index + 1] == "\t" else _QUOTES
    place = Mark(mark.line + 1, mark.column + 1)
    return Trouble("yaml_syntax", f"{_SYNTAX}: {what}", fix, place, ())


def _at_offset(text: str, offset: int, what: str) -> Trouble:
    from dragoman.semantics.files.composer import Trouble

    line = text.count("\n", 0, offset) + 1
    mark = Mark(line, offset - (text.rfind("\n", 0, offset) + 1) + 1)
    return Trouble("yaml_syntax", f"{_SYNTAX}: {what}", "Take it away.", mark, ())


def _wrong_root(kind: FileKind, text: str) -> Trouble:
    from dragoman.semantics.files.composer import Trouble

    must = "a list" if kind is FileKind.RELATIONSHIPS else "a map"
    fix = (
        "Write the joins as items (`- join_from_view: …`), without a key above them."
        if kind is FileKind.RELATIONSHIPS
        else "Write keys and values (`label: …`)."
    )
    head = _BEFORE_DATA.match(text)
    line = text.count("\n", 0, head.end() if head else 0) + 1
    return Trouble("wrong_type", f"{kind.value} must be {must}", fix, Mark(line, 1), ())


def _problem(where: FilePath, trouble: Trouble) -> Problem:
    message, field = trouble.message, None
    if trouble.code == "duplicate_key" and len(trouble.path) == 2 and trouble.path[0] in _FIELDS:
        field = str(trouble.path[1])
        message = f'Duplicate field name "{field}"'
    return Problem(
        trouble.code,
        message,
        fix=trouble.fix,
        file=where.key,
        line=trouble.mark.line,
        column=trouble.mark.column,
        yaml_path=trouble.path,
        view=where.name if where.kind.is_view else None,
        field=field,
        topic=where.name if where.kind.is_topic else None,
    )


def _too_long(where: FilePath, text: str) -> Problem:
    return Problem(
        "yaml_limit",
        f"The file has {len(text):,} characters; at most {limits.MAX_CHARACTERS:,} are read",
        fix="Split it.",
        file=where.key,
        line=1,
        column=1,
    )
