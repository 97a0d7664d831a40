"""`dragoman audit`: whether the chain of the audit is whole, and its rows for keeping elsewhere."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from dragoman.cli import local
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output

group = typer.Typer(help="The audit log: verify its chain, export it.", no_args_is_help=True)

_HEAD = re.compile(r"([0-9]{1,10}):([0-9a-f]{64})")
_BATCH = 1000


@group.command("verify")
def verify(
    head: Annotated[
        str | None,
        typer.Option(
            help="A head printed earlier: what was there then must be there.", metavar="N:HASH"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every row against the hash of the row before it, and print the head.

    Keep the head elsewhere: it shows later whether the newest rows were removed.
    """
    import msgspec

    from dragoman import audit

    kept = None if head is None else _head(head)
    with local.store() as store, store.look(local.origin()) as unit:
        found = audit.verify(unit, kept)
    if as_json:
        told = {**msgspec.to_builtins(found), "head": found.head, "whole": found.whole}
        Output(as_json).value(told)
    else:
        print(found.head)
    if found.problems:
        raise CommandError(" ".join(found.problems), "See docs/audit.md.", Exit.FAILED)
    if found.unknown:
        rows = ", ".join(f"{count} of key {key}" for key, count in found.unknown.items())
        text = f"Rows that cannot be checked, since the ring lacks their key: {rows}."
        raise CommandError(text, "Bring the key back into the ring.", Exit.FAILED)


@group.command("export")
def export(
    after: Annotated[int, typer.Option(help="Only rows with a number beyond this one.")] = 0,
) -> None:
    """Print all rows as NDJSON, the oldest first."""
    import msgspec

    from dragoman import audit

    with local.store() as store:
        while True:
            with store.look(local.origin()) as unit:
                rows = audit.export(unit, size=_BATCH, after=after, filters=audit.Filters())
            sys.stdout.buffer.write(msgspec.json.Encoder().encode_lines(rows))
            if len(rows) < _BATCH:
                return
            after = rows[-1].number


def _head(text: str) -> tuple[int, bytes]:
    found = _HEAD.fullmatch(text.strip().lower())
    if found is None:
        raise CommandError(
            f"--head {text[:80]}: not a head.", "Give what `audit verify` printed.", Exit.USAGE
        )
    return int(found[1]), bytes.fromhex(found[2])
