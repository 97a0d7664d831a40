"""Signing in to databases of AWS as the machine: settings, endpoints' names, rules for both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dragoman.dialects.base import Authentication, Dialect, Target, Use

if TYPE_CHECKING:
    from dragoman.dialects.minting import Minter
    from dragoman.dialects.validation import Draft

_ROLE = re.compile(r"arn:aws(?:-cn|-us-gov)?:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,576}")
# It becomes part of a host name, so nothing else may stand in it.
_REGION = re.compile(r"[a-z]{2,3}(?:-[a-z]+){1,3}-[0-9]{1,2}")
_AWS = r"\.amazonaws\.com(?:\.cn)?"
# db.id.region.rds.amazonaws.com; in China the region comes last.
_RDS = re.compile(
    rf".+\.(?:({_REGION.pattern})\.rds|rds\.({_REGION.pattern})){_AWS}", re.IGNORECASE
)
_CLUSTER = re.compile(
    rf"([a-z][a-z0-9-]*)\.[a-z0-9]+\.({_REGION.pattern})\.redshift{_AWS}", re.IGNORECASE
)
_WORKGROUP = re.compile(
    rf"([a-z0-9-]+)\.[0-9]{{12}}\.({_REGION.pattern})\.redshift-serverless{_AWS}", re.IGNORECASE
)

MACHINE: Final = "useMachineAuth"
ASSUMED: Final = Use(hint="A role that the machine assumes first.")
RDS: Final = Authentication(
    None,
    "IAM of Amazon RDS and Aurora (useMachineAuth): a token is made at each sign-in",
    ("username",),
    optional=("region", "awsRoleArn"),
    chosen_by=MACHINE,
)
RDS_USES: Final[Mapping[str, Use]] = MappingProxyType(
    {
        "region": Use(hint="For IAM: only where the host is no name that RDS gave."),
        "awsRoleArn": ASSUMED,
        MACHINE: Use(hint="Here: by IAM of RDS, with the identity that this server has in AWS."),
    }
)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A Redshift by its endpoint: the cluster or workgroup it names, and the region."""

    name: str
    region: str
    serverless: bool


def warehouse(host: str) -> Warehouse | None:
    """The Redshift whose endpoint this is; None for any other name.

    Source: Amazon Redshift management guide, "Connecting to Amazon Redshift"; "Connecting to Amazon
    Redshift Serverless".
    """
    if (found := _CLUSTER.fullmatch(host)) is not None:
        return Warehouse(found[1].lower(), found[2].lower(), serverless=False)
    if (found := _WORKGROUP.fullmatch(host)) is not None:
        return Warehouse(found[1].lower(), found[2].lower(), serverless=True)
    return None


def rds_region(host: str) -> str:
    """The region in the name of an endpoint of RDS; empty for any other name.

    Source: Amazon RDS user guide, "Finding the connection information for an RDS DB instance".
    """
    found = _RDS.fullmatch(host)
    return "" if found is None else str(found[1] or found[2]).lower()


def check_forms(draft: Draft) -> None:
    """The forms of role and region."""
    example = "For example arn:aws:iam::123456789012:role/reader."
    match(draft, "awsRoleArn", _ROLE, "Not the ARN of a role", example)
    match(draft, "region", _REGION, "Not an AWS region", "For example us-east-1.")


def match(draft: Draft, name: str, pattern: re.Pattern[str], message: str, fix: str) -> None:
    """Refuse a setting that does not have the form."""
    value = draft.settings.get(name)
    if value is not None and not pattern.fullmatch(str(value)):
        draft.reject(name, message, fix)


class RdsIam(Dialect):
    """What databases that RDS runs share: IAM in the place of a password."""

    def minter(self, target: Target) -> Minter | None:
        """See `Dialect.minter`."""
        if not target.settings.get(MACHINE):
            return None
        from dragoman.dialects.adapters.aws.passwords import RdsToken

        return RdsToken(target)

    def check(self, draft: Draft) -> None:
        """The region is in the host's name, or given."""
        if not draft.settings.get(MACHINE):
            for name in ("region", "awsRoleArn"):
                if draft.settings.get(name) is not None:
                    draft.warn(name, f"It goes with {MACHINE}; it is stored and has no effect.")
            return
        check_forms(draft)
        if draft.refused("region", "host"):
            return
        named, given = rds_region(str(draft.settings.get("host", ""))), draft.settings.get("region")
        if not named and not given:
            draft.reject("region", "Required", "The host is no name that RDS gave: say its region.")
        elif named and given and named != given:
            draft.reject("region", f"The host is in {named}", "Leave the region out.")
