"""The names that Windows, and so SQL Server, has for IANA time zones."""

from __future__ import annotations

import functools


def of(name: str) -> str | None:
    """The Windows name of an IANA zone; None where there is none. Source: CLDR, windowsZones."""
    return _table().get(name)


@functools.cache
def _table() -> dict[str, str]:
    from tzlocal.windows_tz import tz_win

    return {**tz_win, "UTC": "UTC"}
