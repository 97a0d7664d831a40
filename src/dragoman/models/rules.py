"""What other rooms have to say about saving and merging, named by `app.py`: a git room may ask for
a message or a pull request, and writes a merge to its remote.

Rules are for what people do; a room that saves on its own account (a sync) calls `save` itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.house import House
from dragoman.models.records import Model
from dragoman.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody is about to do to `model`: save files, or give it another model's (`branch`: on
    that branch of it), or merge `branch` into it. `force`: the one who merges asks to override what
    stands in the way."""

    model: Model
    branch: Model | None = None
    message: str = ""
    force: bool = False


# Called in the transaction, before anything is written; raises an `ApiError` to refuse.
Rule = Callable[[UnitOfWork, Principal, Intent], None]
# Called after the commit; whether a remote has the change now.
Publish = Callable[[House, Principal, Intent], Awaitable[bool]]


# The files of a model at a ref of its remote, by their keys.
Fetch = Callable[[House, Principal, str, str], Awaitable[dict[str, str]]]


def not_in_git() -> BadRequest:
    """The refusal of a `gitRef` whose model has no remote."""
    return BadRequest("Bad Request: gitRef: the source model has no git configuration")


@dataclass(slots=True)
class Rules:
    """The rules in force. `fetch`: None where no room knows remotes."""

    migrating: list[Rule] = field(default_factory=list[Rule])
    saving: list[Rule] = field(default_factory=list[Rule])
    merging: list[Rule] = field(default_factory=list[Rule])
    merged: list[Publish] = field(default_factory=list[Publish])
    fetch: Fetch | None = None

    def check_save(self, unit: UnitOfWork, principal: Principal, intent: Intent) -> None:
        """Raise what a rule raises."""
        for rule in self.saving:
            rule(unit, principal, intent)

    def check_migration(self, unit: UnitOfWork, principal: Principal, intent: Intent) -> None:
        """Raise what a rule raises."""
        for rule in self.migrating:
            rule(unit, principal, intent)

    def check_merge(self, unit: UnitOfWork, principal: Principal, intent: Intent) -> None:
        """Raise what a rule raises."""
        for rule in self.merging:
            rule(unit, principal, intent)

    async def publish(self, house: House, principal: Principal, intent: Intent) -> bool:
        """Tell everybody of a merge; whether a remote has it."""
        return any([await publish(house, principal, intent) for publish in self.merged])

    async def files_at(
        self, house: House, principal: Principal, model_id: str, ref: str
    ) -> dict[str, str]:
        """A model's files at a ref of its remote. Raises `BadRequest` where there is none."""
        if self.fetch is None:
            raise not_in_git()
        return await self.fetch(house, principal, model_id, ref)


RULES = Rules()
