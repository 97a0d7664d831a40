"""Which time zone a question's session has (contract §2, properties 18 and 19)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UTC = "UTC"
NO_CONVERSION = "NONE"


def session_zone(settings: Mapping[str, Any], asked: str | None) -> tuple[str, list[str]]:
    """The IANA name for the session, and what to tell about it.

    The zone that was asked for counts if the connection allows it; otherwise the connection's
    `queryTimezone`, and UTC where that is NONE.
    """
    if asked is not None and settings.get("allowsUserSpecificTimezones") is True:
        return asked, []
    own = str(settings.get("queryTimezone") or NO_CONVERSION)
    zone = UTC if own == NO_CONVERSION else own
    if asked is None or asked == zone:
        return zone, []
    told = f"timezone: the connection does not allow user-specific time zones; {zone} was used"
    return zone, [told]
