"""What `dragoman connect` asks, derived from the declaration, and how its options are read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import say

if TYPE_CHECKING:
    from dragoman.dialects.base import Authentication, Declaration

TRUE, FALSE = ("true", "yes", "y", "1"), ("false", "no", "n", "0")


def from_options(dialect: str, settings: list[str], secrets: list[str]) -> dict[str, Any]:
    """The body of `--set` and `--secret`. Raises `CommandError` (usage)."""
    body: dict[str, Any] = {"dialect": dialect}
    for text in settings:
        name, value = _pair("--set", text)
        if _is_secret(name):
            fix = f"Use --secret {name}=env:NAME, file:NAME, @FILE or - (stdin)."
            raise CommandError(f"{name} is a secret; other users see options.", fix, Exit.USAGE)
        body[name] = converted(name, value)
    for text in secrets:
        name, source = _pair("--secret", text)
        body[name] = secret(name, source)
    return body


def ask(dialect: str | None) -> dict[str, Any]:
    """Ask a person for the dialect and for exactly what it needs. Secrets are not echoed."""
    from dragoman.dialects import registry

    chosen = dialect or _ask_dialect()
    if chosen not in registry.names():
        known = ", ".join(registry.names())
        raise CommandError(f"No dialect {chosen}.", f"One of {known}.", Exit.REFUSED)
    declared = registry.get(chosen).declaration
    body: dict[str, Any] = {"dialect": chosen}
    for note in declared.notes:
        say(f"Note: {note}")
    _ask_into(body, declared, "name")
    for name, use in declared.properties().items():
        # A port has a default, and still is what people change.
        if use.required or (name == "port" and declared.default_port is not None):
            _ask_into(body, declared, name)
    _ask_sign_in(body, declared)
    return body


def ask_again(body: dict[str, Any], fields: list[str]) -> bool:
    """Ask once more for fields that were refused; False when none of them can be asked for."""
    from dragoman.dialects import registry
    from dragoman.dialects.properties import PROPERTIES

    declared = registry.get(str(body["dialect"])).declaration
    asked = [name for name in dict.fromkeys(fields) if name in PROPERTIES and name != "dialect"]
    for name in asked:
        body.pop(name, None)
        _ask_into(body, declared, name)
    return bool(asked)


def converted(name: str, text: str) -> Any:
    """A property's value from its text; what does not fit stays text, for validation to refuse."""
    from dragoman.dialects.properties import PROPERTIES, Kind

    kind = PROPERTIES[name].kind if name in PROPERTIES else Kind.TEXT
    if kind is Kind.INTEGER and text.strip().isdecimal():
        return int(text)
    if kind is Kind.BOOLEAN and text.lower() in (*TRUE, *FALSE):
        return text.lower() in TRUE
    return text


def _ask_dialect() -> str:
    from dragoman.dialects import registry

    names = registry.names()
    say("Dialects: " + ", ".join(names))
    while (text := str(typer.prompt("Dialect", err=True)).strip().lower()) not in names:
        say(f"{text} is none of them.")
    return text


def _ask_sign_in(body: dict[str, Any], declared: Declaration) -> None:
    ways = declared.authentication
    by_setting = (way for way in ways if way.chosen_by and body.get(way.chosen_by))
    chosen = next(by_setting, ways[0])
    # Where the contract knows one way only, another is for those who ask for it.
    if any(way.value for way in ways[1:]):
        chosen = _ask_way(declared)
        if chosen.value is not None:
            body["authenticationType"] = chosen.value
        elif chosen.chosen_by:
            body[chosen.chosen_by] = True
    for need in chosen.needs:
        choices = (need,) if isinstance(need, str) else need
        if any(name in body for name in choices):
            continue
        for name in choices:
            # One of several is enough; the last cannot be passed over.
            _ask_into(body, declared, name, optional=name != choices[-1])
            if name in body:
                break


def _ask_way(declared: Declaration) -> Authentication:
    ways = declared.authentication
    say("Ways to sign in:")
    for number, way in enumerate(ways, 1):
        say(f"  {number}. {way.label}")
    while True:
        text = str(typer.prompt("Number", default="1", err=True))
        if text.isdecimal() and 1 <= int(text) <= len(ways):
            return ways[int(text) - 1]


def _ask_into(
    body: dict[str, Any], declared: Declaration, name: str, *, optional: bool = False
) -> None:
    from dragoman.dialects.properties import PROPERTIES

    known, use = PROPERTIES[name], declared.use(name)
    say(use.hint if use and use.hint else known.description)
    if _is_secret(name):
        text = str(
            typer.prompt(
                f"{name} (not shown; @FILE reads a file)",
                hide_input=True,
                default="" if optional or declared.empty_password else None,
                show_default=False,
                err=True,
            )
        )
        value = _content(text[1:]) if text.startswith("@") else text
    else:
        default = "" if optional else declared.default(name)
        shown = default not in (None, "")
        text = str(typer.prompt(name, default=default, show_default=shown, err=True))
        value = converted(name, text)
    if value != "" or not optional:
        body[name] = value


def secret(name: str, source: str) -> Any:
    """A secret from where an option says: a reference, or the text. Raises `CommandError`."""
    if source.startswith(("env:", "file:")):
        return {"$secret": source}
    if source.startswith("@"):
        return _content(source[1:])
    if source == "-":
        return sys.stdin.read().removesuffix("\n")
    fix = f"Write {name}=env:NAME, {name}=file:NAME, {name}=@FILE or {name}=- (stdin)."
    raise CommandError(f"--secret {name}: a secret is not given as plain text.", fix, Exit.USAGE)


def _content(path: str) -> str:
    try:
        return Path(path).expanduser().read_text().removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"Cannot read {path}: {error}", code=Exit.USAGE) from None


def _pair(option: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        # Not the text itself: it may be a secret that was mistyped.
        raise CommandError(f"{option} takes NAME=VALUE.", code=Exit.USAGE)
    return name.strip(), value


def _is_secret(name: str) -> bool:
    from dragoman.dialects.properties import SECRETS

    return name in SECRETS
