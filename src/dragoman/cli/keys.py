"""`dragoman keys`: the key ring. Rotation runs beside the server and can be run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from dragoman.cli import local
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output, progress, say

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.settings import Settings
    from dragoman.store import Store
    from dragoman.vault import KeyRing

group = typer.Typer(help="The key ring: list, rotate, drop retired keys.", no_args_is_help=True)


@group.command("list")
def list_keys(as_json: Json = False) -> None:
    """List the keys by id, never the keys themselves, and how many secrets each seals."""
    settings = local.settings()
    with local.store(settings) as store:
        ring = local.key_source(settings).current()
        counts = used(store)
    rows = [
        {"id": key, "state": "retired" if place else "primary", "secrets": counts.get(key, 0)}
        for place, key in enumerate(ring.ids)
    ]
    lost = sorted(set(counts) - set(ring.ids))
    rows += [{"id": key, "state": "missing", "secrets": counts[key]} for key in lost]
    Output(as_json).rows(rows, ("id", "state", "secrets"))


@group.command("rotate")
def rotate(as_json: Json = False) -> None:
    """Make a new primary key and seal every secret with it.

    The server may run meanwhile. When a rotation was interrupted, this finishes it first.
    """
    from dragoman.app import SEALED
    from dragoman.vault import KeyRing, Vault, rotation, update_keyring

    settings = local.settings()
    with local.store(settings) as store:
        source = local.key_source(settings)
        finishing = bool(_on_retired(source.current(), used(store)))
        if finishing:
            say("Secrets are still on retired keys: finishing that rotation, without a new key.")
        else:
            update_keyring(_file(settings), KeyRing.rotated)
        with progress("Sealing the secrets with the primary key"):
            changed = rotation.rotate(store, Vault(source), SEALED)
        primary = source.current().primary.id
    text = f"{changed} secrets are now on key {primary}."
    Output(as_json).done(text, {"primary": primary, "changed": changed, "newKey": not finishing})


@group.command("drop-retired")
def drop_retired(as_json: Json = False) -> None:
    """Remove retired keys from the key file; refused while a secret is sealed with one."""
    from dragoman.vault import update_keyring

    settings = local.settings()
    path = _file(settings)
    dropped: list[str] = []
    with local.store(settings) as store:
        local.key_source(settings)  # the file is there, and fit to use

        def change(ring: KeyRing) -> KeyRing:
            waiting = _on_retired(ring, used(store))
            if waiting:
                text = f"{sum(waiting.values())} secrets are still on {', '.join(waiting)}."
                raise CommandError(text, "Run `dragoman keys rotate`.", Exit.STORE)
            dropped.extend(key.id for key in ring.retired)
            return ring.without(dropped)

        update_keyring(path, change)
    text = f"Dropped {len(dropped)} retired keys; older backups of the store need them."
    Output(as_json).done(text, {"dropped": dropped})


def _file(settings: Settings) -> Path:
    """The key file. Raises `CommandError` when the ring is kept elsewhere."""
    from dragoman.vault import KEY_FILE_NAME

    if settings.keys or settings.keys_command:
        raise CommandError(
            "The key ring is not in the key file: DRAGOMAN_KEYS or DRAGOMAN_KEYS_COMMAND has it.",
            "Put a new key first there; then `dragoman keys rotate` seals the secrets with it.",
            Exit.STORE,
        )
    return settings.home / KEY_FILE_NAME


def used(store: Store) -> dict[str, int]:
    """How many sealed secrets there are on each key, by key id."""
    from dragoman.app import SEALED
    from dragoman.vault import rotation

    with store.begin(local.origin()) as unit:
        return rotation.keys_in_use(unit, SEALED)


def _on_retired(ring: KeyRing, counts: dict[str, int]) -> dict[str, int]:
    return {key: count for key, count in counts.items() if key != ring.primary.id}
