"""The kinds of answers to questions, and of uses of kept ones."""

from __future__ import annotations

from enum import StrEnum

LINES = "text/ndjson"
SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class CacheMode(StrEnum):
    """What a kept result is good for.

    `USE`: answer with it while its policy lets it live. `RENEW`: ask the database, keep the answer.
    `OFF`: ask the database, keep nothing.
    """

    USE = "use"
    RENEW = "renew"
    OFF = "off"


# Two sets of names are in use (contract §6.1, row 13).
CACHE_MODES = {
    "Standard": CacheMode.USE,
    "SkipRequery": CacheMode.USE,
    "SkipCache": CacheMode.RENEW,
    "SkipCacheAndRebuildExtracts": CacheMode.RENEW,
    "normal": CacheMode.USE,
    "refresh": CacheMode.RENEW,
    "refresh_all": CacheMode.RENEW,
    "disabled": CacheMode.OFF,
}
RESULT_TYPES = ("csv", "json", "xlsx")
