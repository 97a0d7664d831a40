"""What the names of AWS's endpoints say, and the settings for signing in as the machine."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.aws import Warehouse, rds_region, warehouse
from dragoman.dialects.validation import InvalidSettings, validate
from tests.support.bodies import body

MACHINE: dict[str, Any] = {"useMachineAuth": True, "passwordUnencrypted": None}
RDS = "shop.abc123.eu-west-1.rds.amazonaws.com"
CLUSTER = "cluster-1.abc123.us-east-1.redshift.amazonaws.com"
WORKGROUP = "default.123456789012.us-east-1.redshift-serverless.amazonaws.com"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (RDS, "eu-west-1"),
        ("shop.cluster-abc123.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("pool.proxy-abc123.US-EAST-1.rds.amazonaws.com", "us-east-1"),
        ("shop.abc123.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("db.example.com", ""),
        ("shop.abc123.eu-west-1.rds.amazonaws.com.evil.example", ""),
        ("localhost", ""),
    ],
)
def test_the_region_of_an_endpoint_of_rds(host: str, region: str) -> None:
    assert rds_region(host) == region


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (CLUSTER, Warehouse("cluster-1", "us-east-1", serverless=False)),
        (
            "sales.abc123.cn-north-1.redshift.amazonaws.com.cn",
            Warehouse("sales", "cn-north-1", serverless=False),
        ),
        (WORKGROUP, Warehouse("default", "us-east-1", serverless=True)),
        ("warehouse.example.com", None),
        (CLUSTER + ".evil.example", None),
        ("evil." + CLUSTER, None),
        ("default.12.us-east-1.redshift-serverless.amazonaws.com", None),
    ],
)
def test_what_an_endpoint_of_redshift_names(host: str, found: Warehouse | None) -> None:
    assert warehouse(host) == found


def refused(dialect: str, **changes: Any) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        validate(body(dialect, **{**MACHINE, **changes}))
    return [problem.field for problem in caught.value.problems]


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "mariadb"])
def test_iam_of_rds_needs_a_user_and_a_region_but_no_password(dialect: str) -> None:
    assert validate(body(dialect, **MACHINE, host=RDS)).warnings == []
    assert validate(body(dialect, **MACHINE, region="eu-west-1")).warnings == []
    assert refused(dialect) == ["region"]
    assert refused(dialect, host=RDS, region="eu-west-2") == ["region"]
    assert refused(dialect, region="eu-west-1.evil.example#") == ["region"]
    assert refused(dialect, host=RDS, awsRoleArn="admin") == ["awsRoleArn"]
    assert refused(dialect, host=RDS, username=None) == ["username"]


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "mariadb", "redshift"])
def test_without_it_a_password_is_needed(dialect: str) -> None:
    assert refused(dialect, useMachineAuth=False, host=CLUSTER) == ["passwordUnencrypted"]


def test_a_password_that_iam_does_not_need_gets_a_word() -> None:
    sent = body("postgres", useMachineAuth=True, host=RDS)
    assert [warning.field for warning in validate(sent).warnings] == ["passwordUnencrypted"]


def test_iam_of_redshift_needs_the_endpoint_itself() -> None:
    assert validate(body("redshift", **MACHINE, host=CLUSTER)).warnings == []
    assert validate(body("redshift", **MACHINE, host=CLUSTER, username=None)).warnings == []
    assert refused("redshift", host="warehouse.example.com") == ["host"]
    named = validate(body("redshift", **MACHINE, host=WORKGROUP))
    assert [warning.field for warning in named.warnings] == ["username"]
