"""`dragoman migrate`: bring the store to the revision of this version."""

from __future__ import annotations

from dragoman.cli import local
from dragoman.cli.output import Json, Output, progress


def migrate(as_json: Json = False) -> None:
    """Bring the store to this version's revision; harmless when it is there already."""
    from dragoman.store import Store
    from dragoman.store.migrations import HEAD, current, ensure_current

    settings = local.settings()
    local.make_home(settings)
    store = Store(settings.store_url)
    try:
        before = current(store)
        with progress("Migrating the store"):
            ensure_current(store)
    finally:
        store.close()
    text = f"The store is at revision {HEAD}" + (
        "." if before == HEAD else f" (before: {before or 'empty'})."
    )
    Output(as_json).done(text, {"before": before, "revision": HEAD})
