"""Query parameters of connections, checked."""

from __future__ import annotations

from dragoman.api.errors import BadRequest
from dragoman.api.paging import flag
from dragoman.connections.listing import ListFilter
from dragoman.dialects import registry

# Spellings of the May contract's list filter that are no dialect of ours, or another's name.
FILTER_ALIASES = {"sqlserver": "mssql", "singlestore": "singlestore"}


def list_filter(query: dict[str, str]) -> ListFilter:
    """What a list asks for. Raises `BadRequest`."""
    field, direction = query.get("sortField", "name"), query.get("sortDirection", "asc")
    if field not in ("database", "dialect", "name"):
        raise BadRequest("Bad Request: sortField: must be database, dialect or name")
    if direction not in ("asc", "desc"):
        raise BadRequest("Bad Request: sortDirection: must be asc or desc")
    return ListFilter(
        name=query.get("name", ""),
        database=query.get("database", ""),
        dialects=_dialects(query.get("dialect")),
        include_deleted=flag(query, "includeDeleted"),
        sort_field=field,
        descending=direction == "desc",
    )


def _dialects(text: str | None) -> frozenset[str] | None:
    if not text or not text.strip():
        return None
    known = {name: name for name in registry.names()} | FILTER_ALIASES
    asked = [part.strip() for part in text.split(",") if part.strip()]
    for name in asked:
        if name not in known:
            offered = ", ".join(registry.names())
            raise BadRequest(f"Bad Request: dialect: unknown '{name[:40]}' (one of {offered})")
    return frozenset(known[name] for name in asked)
