"""Pages of lists (contract §1.8)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dragoman.api.errors import BadRequest

DEFAULT_SIZE = 20
# Clients ask for whole lists with a large page; what is beyond comes with the next one.
MOST = 1000


class PageInfo(msgspec.Struct, rename="camel"):
    """Where a list stands. `totalRecords` counts the whole filtered set."""

    has_next_page: bool
    next_cursor: str | None
    page_size: int
    total_records: int


def page_size(query: Mapping[str, str], default: int = DEFAULT_SIZE) -> int:
    """The `pageSize` of a request; one of more than `MOST` counts as that. Raises `BadRequest`."""
    text = query.get("pageSize", str(default))
    if not (text.isascii() and text.isdecimal()) or int(text[:12]) < 1:
        raise BadRequest("Bad Request: Page size must be at least 1")
    return min(int(text[:12]), MOST)


def strict_page_size(query: Mapping[str, str], most: int = 100) -> int:
    """As `page_size`, of a list that the contract gives a largest page. Raises `BadRequest`."""
    size = page_size(query)
    if size > most:
        raise BadRequest(f"Bad Request: pageSize: Page size cannot exceed {most}")
    return size


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter, false when absent. Raises `BadRequest`."""
    value = query.get(name, "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise BadRequest(f"Bad Request: {name}: Expected boolean")
    return value in ("true", "1")
