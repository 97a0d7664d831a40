"""Answers that are used again: of this server's disk, and of the store that servers share."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from pathlib import Path

from dragoman.house import House
from dragoman.queries.kept_results import KeptResult, KeptResults
from dragoman.queries.planning import Planned
from dragoman.queries.shared_results import SharedResults
from dragoman.queries.spool import Spooled

MEGABYTE = 1_000_000
GoodFor = tuple[float, "str | None"]


def kept_results(house: House) -> KeptResults:
    """The results that this server keeps."""
    return KeptResults(house.settings.home / "cache", house.settings.cache_mb * MEGABYTE)


def shared_results(house: House) -> SharedResults | None:
    """The results that servers of one store share; None where none are. A server keeps on its own
    disk what it brings from there, so that one without room for results shares none."""
    settings = house.settings
    if house.store.is_sqlite or not settings.cache_mb or not settings.shared_cache_mb:
        return None
    return SharedResults(house.store, settings.shared_cache_mb * MEGABYTE)


def prepare_sharing(
    later: contextlib.ExitStack, house: House, key: str, result: Spooled, made: datetime
) -> None:
    """Share a result when `later` is closed; its file may be gone from the directory by then."""
    shared = shared_results(house)
    if shared is None or not shared.fits(result):
        return
    file = later.enter_context(result.path.open("rb"))
    later.callback(shared.keep, key, file, result, made)


async def kept_result(house: House, planned: Planned, key: str) -> Spooled | None:
    """A result that is good for the question: of this server, or of another one."""
    local, good_for = kept_results(house), (planned.max_age, planned.reset_at)
    found = local.find(key, *good_for)
    shared = shared_results(house)
    if found is None and shared is not None:
        directory = house.settings.home / "results"
        found = await asyncio.to_thread(_brought, shared, local, key, good_for, directory)
    return None if found is None else found.spooled


def _brought(
    shared: SharedResults, local: KeptResults, key: str, good_for: GoodFor, directory: Path
) -> KeptResult | None:
    """Another server's result, kept here from now on."""
    found = shared.find(key, *good_for, directory)
    if found is None:
        return None
    local.keep(key, found.spooled, found.made_at)
    found.spooled.remove()
    return local.find(key, *good_for)
