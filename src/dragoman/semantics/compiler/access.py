"""What the asker may ask for: grants of topics, views and fields, and the filters on rows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dragoman.semantics.compiler.asking import Asking, AttributeValue
from dragoman.semantics.compiler.errors import ErrorType, PlanError
from dragoman.semantics.model.fields import Field
from dragoman.semantics.model.settings import AccessFilter, ModelSettings
from dragoman.semantics.model.views import View


class Access:
    """Checks one asker against a model's grants."""

    def __init__(self, settings: ModelSettings, asking: Asking) -> None:
        self.settings = settings
        self.asking = asking
        self._known: dict[str, bool] = {}

    def holds(self, grant: str) -> bool:
        """Whether a grant holds; one that the model does not define never does."""
        known = self._known.get(grant)
        if known is None:
            found = self.settings.access_grants.get(grant)
            values = self.asking.values(found.user_attribute) if found else ()
            allowed = found.allowed_values if found else ()
            known = self._known[grant] = any(_text(value) in allowed for value in values)
        return known

    def allows(self, required: Iterable[str]) -> bool:
        """Whether every item holds; an item combines grants with `|`, which binds less, and `&`."""
        if self.asking.unrestricted or not self.asking.grants_apply:
            return True
        return all(self._item(item) for item in required)

    def _item(self, item: str) -> bool:
        return any(
            all(self.holds(name) for name in re.split(r"\s*&\s*", part.strip()))
            for part in item.split("|")
        )

    def check_field(self, view: View, found: Field) -> None:
        """Raises `PlanError` for a field that the asker may not name."""
        required = (*view.required_access_grants, *found.required_access_grants)
        if not self.allows(required):
            raise PlanError(
                f"The field {found.address} is not permitted.", error_type=ErrorType.FORBIDDEN
            )

    def masks(self, found: Field) -> bool:
        """Whether the asker sees nothing instead of the field's values."""
        masks = found.mask_unless_access_grants
        return bool(masks) and not self.allows(masks)

    def check_values(self, found: Field) -> None:
        """Raises `PlanError` for a masked field: which rows a filter leaves, or in what order they
        come, would tell of the values that the asker must not see."""
        if self.masks(found):
            raise PlanError(
                f"{found.address} is masked: filters on it and its order would tell of its values.",
                fix="Filter and sort by other fields, or ask an administrator for the grant.",
                error_type=ErrorType.FORBIDDEN,
            )

    def row_values(self, rule: AccessFilter) -> tuple[AttributeValue, ...] | None:
        """The values that the rows must have; None where the asker sees every row.

        Raises `PlanError` for an asker without the attribute: no value never means all rows.
        """
        values = self.asking.values(rule.user_attribute)
        if self.asking.unrestricted or any(
            _text(value) in rule.values_for_unfiltered for value in values
        ):
            return None
        if not values:
            raise PlanError(
                f"The attribute {rule.user_attribute} is not set, and the rows depend on it.",
                fix="Ask an administrator to set it for you.",
                error_type=ErrorType.FORBIDDEN,
            )
        return values


def _text(value: AttributeValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
