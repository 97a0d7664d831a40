"""Access grants: who may see a topic (modeling reference §2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dragoman.access.policy import Permission, allow
from dragoman.access.principal import Principal
from dragoman.identity import service as identity
from dragoman.models.access import rights_on
from dragoman.models.records import Model
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.model.settings import AccessGrant
from dragoman.semantics.model.topics import CompositeTopic, Topic
from dragoman.store import UnitOfWork


class Viewer:
    """What one principal may see of a model. Whoever may edit the model sees all of it."""

    def __init__(self, unit: UnitOfWork, principal: Principal, model: Model) -> None:
        rights = rights_on(unit, principal, model)
        self.edits = allow(principal, Permission.MODELS_EDIT, rights)
        self._attributes = identity.attribute_texts(unit, principal)

    def sees(self, model: ComposedModel, topic: Topic | CompositeTopic) -> bool:
        """Whether every grant that the topic requires holds."""
        if isinstance(topic, CompositeTopic):
            return True
        return self.has(model, topic.required_access_grants)

    def has(self, model: ComposedModel, required: Iterable[str]) -> bool:
        """Whether every one of the grants holds."""
        grants = model.settings.access_grants
        return self.edits or all(self._holds(grants, each) for each in required)

    def _holds(self, grants: Mapping[str, AccessGrant], required: str) -> bool:
        """`a`, `a|b` or `a&b`; `&` binds more tightly."""
        return any(
            all(self._has(grants.get(name.strip())) for name in one.split("&"))
            for one in required.split("|")
        )

    def _has(self, grant: AccessGrant | None) -> bool:
        if grant is None:
            return False  # a grant that nobody defined holds for nobody
        values = self._attributes.get(grant.user_attribute, [])
        return any(value in grant.allowed_values for value in values)
