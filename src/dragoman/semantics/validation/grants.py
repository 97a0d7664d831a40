"""Names of access grants, in the lists that ask for them."""

from __future__ import annotations

import re

from dragoman.semantics.problems import YamlPath
from dragoman.semantics.suggest import did_you_mean
from dragoman.semantics.validation.context import Context
from dragoman.semantics.validation.report import Place

_OPERATORS = re.compile(r"[|&()]")


def names_in(item: str) -> list[str]:
    """The grants that one item of a list names: it may combine them with `|` and `&`."""
    return [name.strip() for name in _OPERATORS.split(item) if name.strip()]


def check(
    asked: tuple[str, ...],
    context: Context,
    place: Place,
    path: YamlPath,
) -> None:
    """Grants that no model file defines: nobody could ever hold them."""
    defined = context.model.settings.access_grants
    for item in asked:
        for name in names_in(item):
            if name in defined or name.startswith("<"):
                continue
            near = did_you_mean(name, defined)
            fix = f"Did you mean {near}?" if near else "Define it under `access_grants`."
            context.report.add(place, path, "unknown_grant", f"No access grant {name}", fix)
