"""Who asks, when, where, and of which database: all that a compiled question depends on besides
the model and the question itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from dragoman.dialects.sql import SqlFunctions
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.model.settings import FromAttribute, ModelSettings
from dragoman.semantics.query.dates import Calendar

AttributeValue = str | int | float | bool | Decimal


@dataclass(frozen=True, slots=True)
class Asking:
    """`attributes`: the asker's, each a tuple of values; one without a value is not in it.

    `now`: aware. `timezone`: the zone that readings are shown in and days begin in (IANA); None: no
    conversion, everything is taken as it is stored. `system_timezone`: the zone of stored readings
    that have none. `unrestricted`: grants and access filters do not apply (system's own questions);
    `grants_apply` False: only grants do not (questions that a model's author wrote).
    """

    functions: SqlFunctions
    now: datetime
    attributes: Mapping[str, tuple[AttributeValue, ...]] = field(
        default_factory=dict[str, tuple[AttributeValue, ...]]
    )
    timezone: str | None = None
    system_timezone: str = "UTC"
    unrestricted: bool = False
    grants_apply: bool = True

    @property
    def zone(self) -> ZoneInfo:
        """The zone that the asker's days begin in."""
        return ZoneInfo(self.timezone or self.system_timezone)

    def values(self, attribute: str) -> tuple[AttributeValue, ...]:
        """The asker's values of an attribute; empty where there are none."""
        return self.attributes.get(attribute, ())

    def calendar(self, settings: ModelSettings, week_start: int) -> Calendar:
        """What dates are worked out with. Raises `PlanError` for a fiscal offset that is none."""
        return Calendar(self.now, self.zone, week_start, self.fiscal_offset(settings))

    def fiscal_offset(self, settings: ModelSettings) -> int | None:
        """Months that the fiscal year begins before the calendar's."""
        offset = settings.fiscal_month_offset
        if not isinstance(offset, FromAttribute):
            return offset
        values = self.values(offset.user_attribute)
        try:
            return int(values[0]) if values else None
        except ValueError:
            raise PlanError(
                f"The attribute {offset.user_attribute} must be a whole number of months."
            ) from None
