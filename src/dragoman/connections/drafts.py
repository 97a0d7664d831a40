"""From a request's body to a checked draft: the dialect's rules, egress, and the role's name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from dragoman.api.errors import BadRequest, FieldError
from dragoman.connections import secrets
from dragoman.connections.schemas import SettingWarning
from dragoman.dialects import registry
from dragoman.dialects.base import Target
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.properties import PROPERTIES, Kind
from dragoman.dialects.validation import Draft, InvalidSettings, Problem, validate
from dragoman.egress import EgressPolicy
from dragoman.house import House
from dragoman.secret import SecretReference
from dragoman.settings import Settings


def check(
    house: House,
    body: Mapping[str, Any],
    *,
    strict: bool = False,
    kept: frozenset[str] = frozenset(),
    problems: Sequence[Problem] = (),
) -> Draft:
    """A draft of the body. Raises `BadRequest` with every problem of every field.

    `problems`: what the caller found already (a role that is not there), told with the rest.
    """
    try:
        draft = validate(body, strict=strict, kept=kept)
    except InvalidSettings as invalid:
        told = {problem.field for problem in invalid.problems}
        also = [problem for problem in problems if problem.field not in told]
        raise refusal([*invalid.problems, *also]) from None
    found = [*problems, *_denied(house.network, draft), *_forbidden(house.settings, draft)]
    if found:
        raise refusal(found)
    return draft


def refusal(problems: list[Problem]) -> BadRequest:
    """The 400 that lists problems."""
    listed = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
    errors = [FieldError(problem.field, problem.message, problem.fix) for problem in problems]
    return BadRequest(f"Bad Request: {listed}", errors=errors)


def warnings(
    draft: Draft, only: Collection[str] | None = None
) -> list[SettingWarning] | msgspec.UnsetType:
    """The draft's warnings in their wire form; of some fields only, when `only` is given.

    `UNSET` when there is nothing to say: the key then stays out of the answer.
    """
    told = [
        SettingWarning(warning.field, warning.message)
        for warning in draft.warnings
        if only is None or warning.field in only
    ]
    return told or msgspec.UNSET


def _denied(network: EgressPolicy, draft: Draft) -> list[Problem]:
    """Addresses that would never be dialled, found without asking DNS."""
    found: list[Problem] = []
    dialled = registry.get(draft.dialect).network_address(
        Target(draft.dialect, draft.effective(), {})
    )
    if dialled is not None and dialled[0]:
        field = "hostOverride" if "hostOverride" in draft.settings else "host"
        found += _refused(field, lambda: network.check_name(dialled[0]))
    for name, value in draft.settings.items():
        if PROPERTIES[name].kind is Kind.URL:
            found += _refused(name, lambda url=str(value): network.check_url(url))
    return found


def _forbidden(allowed: Settings, draft: Draft) -> list[Problem]:
    """References that no later change outside can make good: told now, not at the first query."""
    references = {n: s for n, s in draft.secrets.items() if isinstance(s, SecretReference)}
    reasons = {name: secrets.forbidden(each, allowed) for name, each in references.items()}
    return [Problem(name, *reason) for name, reason in reasons.items() if reason is not None]


def _refused(field: str, check_address: Any) -> list[Problem]:
    try:
        check_address()
    except DatabaseFailure as failure:
        return [Problem(field, failure.message, failure.fix or "")]
    return []
