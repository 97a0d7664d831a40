"""Writes what the dialects declare into docs/dialects/*.md and the README, between two markers.

    python -m scripts.dialect_docs            # writes
    python -m scripts.dialect_docs --check    # names stale and missing pages, and fails

The words around the markers are written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from dragoman.dialects import registry
from dragoman.dialects.base import Authentication, Declaration, Proof
from dragoman.dialects.properties import PROPERTIES, Kind
from dragoman.dialects.schema import is_required
from scripts import conformance_docs, marked

README = Path(__file__).parents[1] / "README.md"
PAGES = README.parent / "docs" / "dialects"
BEGIN, END = "<!-- declared:begin -->", "<!-- declared:end -->"
_PROOF = {
    Proof.ENGINE: "The test suite runs this dialect against the real engine.",
    Proof.RELATIVE: "The test suite runs this dialect against a near relative of the engine, "
    "not against the engine itself.",
    Proof.EMULATOR: "The test suite runs this dialect against an emulator, not against the engine.",
    Proof.STUB: "The test suite runs this dialect against a stub of its protocol. It has not been "
    "tried on a real server.",
    Proof.DRIVER: "No server of it can be had for tests. What its driver does with names, ports, "
    "certificates and strangers is tested against sockets; it has not been tried on a real server.",
    Proof.DECLARED: "Only the rules for its settings are tested. It has not been tried on a real "
    "server.",
}
_LIVE = {
    True: "Connections can be saved, tested and queried.",
    False: "Connections can be checked and saved; this version does not dial them yet.",
}


def main(arguments: list[str]) -> int:
    """Write or check all pages; returns the exit code."""
    stale: list[str] = []
    for path, block in blocks():
        text = path.read_text("utf-8") if path.exists() else ""
        if BEGIN not in text or END not in text:
            stale.append(f"{path.name}: missing, or without the markers")
            continue
        fresh = marked.filled(text, BEGIN, END, block)
        if fresh == text:
            continue
        if "--check" in arguments:
            stale.append(f"{path.name}: stale, run `make docs`")
        else:
            path.write_text(fresh, "utf-8")
    print("\n".join(stale), end="\n" if stale else "")
    return 1 if stale else 0


def blocks() -> Iterator[tuple[Path, str]]:
    """Each page with the text that belongs between its markers."""
    declared = [dialect.declaration for dialect in registry.all_dialects().values()]
    yield README, overview(declared, "docs/dialects/")
    yield PAGES / "index.md", index(declared)
    for declaration in declared:
        yield PAGES / f"{declaration.name}.md", page(declaration)
    docs = README.parent / "docs"
    yield docs / "conformance.md", table(*conformance_docs.checks())
    failures, listening = conformance_docs.failures(), conformance_docs.listening(declared)
    yield docs / "diagnosis.md", f"{table(*failures)}\n\n{table(*listening)}"


def index(declared: list[Declaration]) -> str:
    """The table of dialects, and the properties that they share."""
    shared = [n for n, p in PROPERTIES.items() if p.universal and n not in ("dialect", "database")]
    return "\n\n".join(
        (
            overview(declared, ""),
            "## Properties of every connection",
            table(_HEADS, [_row(None, name) for name in shared]),
        )
    )


def overview(declared: list[Declaration], folder: str) -> str:
    """The table of dialects; `folder` leads from the page to theirs."""
    rows = [
        (
            f"[{d.label}]({folder}{d.name}.md)",
            f"`{d.name}`",
            "yes" if d.live else "not yet",
            d.proof.value,
            conformance_docs.summary(d.name),
            f"`dragoman[{d.driver.extra}]`",
        )
        for d in declared
    ]
    return table(
        ("Database", "`dialect`", "Queries", "Tested against", "Conformance suite", "Driver"), rows
    )


def page(declaration: Declaration) -> str:
    """What one dialect declares."""
    own = [name for name in declaration.properties() if _is_own(declaration, name)]
    parts = [
        f"**Status.** {_LIVE[declaration.live]} {_PROOF[declaration.proof]}",
        f"**Driver.** {_driver(declaration)}",
        table(_HEADS, [_row(declaration, name) for name in own]),
        "Properties that all dialects share are listed in the [overview](index.md).",
    ]
    if declaration.without:
        unused = ", ".join(f"`{name}`" for name in declaration.without)
        parts.append(f"Taken without effect: {unused}.")
    parts += ["### Ways to sign in", table(_WAYS, [_way(a) for a in declaration.authentication])]
    parts += ["### What it has not", conformance_docs.lacking(declaration)]
    parts += ["### Conformance", conformance_docs.runs(declaration)]
    if (shown := conformance_docs.run_table(declaration)) is not None:
        parts.append(table(*shown))
    if declaration.notes:
        parts += ["### Good to know", "\n".join(f"- {note}" for note in declaration.notes)]
    return "\n\n".join(parts)


_HEADS = ("Property", "Type", "Required", "Default", "Meaning")
_WAYS = ("`authenticationType`", "What it is", "Needs", "Also takes")


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _is_own(declaration: Declaration, name: str) -> bool:
    if name in ("dialect", "name"):
        return False
    return name in declaration.uses or is_required(declaration, name) or name in _used(declaration)


def _used(declaration: Declaration) -> set[str]:
    """What some way to sign in needs or takes."""
    ways = declaration.authentication
    needs = {name for way in ways for need in way.needs for name in _choices(need)}
    return needs | {name for way in ways for name in way.optional}


def _choices(need: str | tuple[str, ...]) -> tuple[str, ...]:
    return (need,) if isinstance(need, str) else need


def _row(declaration: Declaration | None, name: str) -> tuple[str, ...]:
    known = PROPERTIES[name]
    use = declaration.use(name) if declaration else None
    default = declaration.default(name) if declaration else known.default
    required = is_required(declaration, name) if declaration else name == "name"
    meaning = f"{known.description} {use.hint if use else ''}".strip()
    return (f"`{name}`", _type(known.kind), "yes" if required else "", _value(default), meaning)


def _type(kind: Kind) -> str:
    words = {Kind.TIMEZONE: "time zone", Kind.LIST: "names", Kind.DIGITS: "digits", Kind.URL: "URL"}
    return words.get(kind, kind.value)


def _value(default: str | int | bool | None) -> str:
    if default is None:
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _way(way: Authentication) -> tuple[str, ...]:
    needs = ", ".join(" or ".join(f"`{n}`" for n in _choices(need)) for need in way.needs)
    also = ", ".join(f"`{name}`" for name in way.optional)
    return (f"`{way.value}`" if way.value else "", way.label, needs or "nothing", also)


def _driver(declaration: Declaration) -> str:
    install = f"`{declaration.driver.distribution}`: `pip install 'dragoman[{declaration.name}]'`."
    if not declaration.isolated:
        return install
    return f"{install} It runs in a process of its own: {declaration.isolated}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
