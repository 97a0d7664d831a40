"""What commands print: data on stdout (a table, or JSON with `--json`), messages on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import typer

Json = Annotated[bool, typer.Option("--json", help="Machine output (JSON) on stdout.")]

# A table that goes to a file or a pipe is not cut to a terminal's width.
WIDE = 10_000


def say(text: str) -> None:
    """A message for a person, on stderr."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Output:
    """Prints one command's data in the form that was asked for."""

    as_json: bool

    def value(self, value: Any, text: str | None = None) -> None:
        """One value: JSON, or its text for a person."""
        print(_json(value) if self.as_json or text is None else text, flush=True)

    def rows(self, rows: Sequence[Any], columns: Sequence[str], empty: str = "") -> None:
        """Objects or mappings: a JSON array of all their fields, or a table of some columns."""
        if self.as_json:
            print(_json(rows), flush=True)
        elif not rows and empty:
            say(empty)
        else:
            cells = [[_field(row, name) for name in columns] for row in rows]
            table([name.replace("_", " ") for name in columns], cells)

    def done(self, text: str, value: Any = None) -> None:
        """The end of a change: a sentence on stderr, and with `--json` its facts on stdout."""
        if self.as_json:
            print(_json(value if value is not None else {"message": text}), flush=True)
        else:
            say(text)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on stdout; control characters of values are shown, never sent."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        # An id is for copying: it stays in one piece where the terminal is narrow.
        made.add_column(Text(shown(name)), overflow="fold", min_width=36 if name == "id" else None)
    for row in rows:
        # Numbers to the right, as people compare them.
        made.add_row(*(Text(shown(v), justify="right" if _is_number(v) else "left") for v in row))
    width = None if sys.stdout.isatty() else WIDE
    console = Console(file=sys.stdout, width=width, highlight=False)
    with console.capture() as captured:
        console.print(made)
    # rich pads every line to the table's width and adds an empty one at either end.
    lines = [line.rstrip() for line in captured.get().splitlines()]
    print("\n".join(line for line in lines if line), flush=True)


def shown(value: object) -> str:
    """A value as a cell: empty for None, escapes in place of control characters."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(shown, cast("Iterable[object]", value)))
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextlib.contextmanager
def progress(text: str) -> Generator[None]:
    """Shows on a terminal that something is under way; elsewhere says nothing."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True, highlight=False).status(text):
        yield


@contextlib.contextmanager
def step(text: str) -> Generator[None]:
    """A step of a longer command: progress while it runs, its time when it is done."""
    began = time.perf_counter()
    with progress(text):
        yield
    say(f"  {text:<58} {time.perf_counter() - began:6.2f} s")


def _is_number(value: object) -> bool:
    from decimal import Decimal

    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _field(row: Any, name: str) -> object:
    return cast("dict[str, object]", row).get(name) if isinstance(row, dict) else getattr(row, name)


def _json(value: Any) -> str:
    import msgspec

    return json.dumps(msgspec.to_builtins(value, enc_hook=str), indent=2, ensure_ascii=False)
