"""`dragoman dialects`: what each dialect declares, and whether its driver is here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.cli.output import Json, Output

if TYPE_CHECKING:
    from dragoman.dialects.base import Declaration


def dialects(as_json: Json = False) -> None:
    """List the dialects: driver, installed or not, live, what it was proved on, features."""
    from dragoman.dialects import registry

    rows = [_row(dialect.declaration) for dialect in registry.all_dialects().values()]
    columns = ("dialect", "driver", "installed", "live", "proof", "port", "features")
    Output(as_json).rows(rows, columns)


def _row(declared: Declaration) -> dict[str, Any]:
    driver = declared.driver
    return {
        "dialect": declared.name,
        "label": declared.label,
        "driver": driver.distribution,
        "extra": driver.extra,
        "installed": driver.installed(),
        "live": declared.live,
        "proof": declared.proof.value,
        "port": declared.default_port,
        "features": _features(declared),
        "notes": list(declared.notes),
    }


def _features(declared: Declaration) -> list[str]:
    signs_in = [a.value for a in declared.authentication if a.value is not None]
    found = [f"timeout by {declared.query_timeout}"]
    if declared.multi_catalog:
        found.append("several catalogs")
    if signs_in:
        found.append("sign-in: " + "/".join(signs_in))
    if declared.extension:
        found.append("extension")
    return found
