"""Every dialect, by its declaration: what is true of all, without a case for any of them."""

from __future__ import annotations

import functools
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects import registry
from dragoman.dialects.base import Declaration, Target
from dragoman.dialects.properties import DESTINATION, PROPERTIES, SECRETS, Kind
from dragoman.dialects.validation import InvalidSettings, Problem, validate
from tests.support import bodies

ROOT = Path(__file__).parents[2]
CONTRACT = {
    "athena", "bigquery", "clickhouse", "databricks", "databricks_lakebase", "exasol", "mariadb",
    "motherduck", "mssql", "mysql", "oracle", "postgres", "redshift", "sap_hana", "snowflake",
    "starrocks", "trino",
}  # fmt: skip
LATER = {"fabric"}  # later versions of the contract
MULTI_CATALOG = {"bigquery", "snowflake", "motherduck", "databricks", "trino", "athena"}
UNTRUSTED = {"mssql", "exasol", "clickhouse", "trino", "sap_hana"}
SAMPLES: dict[str, Any] = {
    "host": "db.example.com",
    "port": 1234,
    "username": "reader",
    "region": "us-east-1",
    "warehouse": "/sql/1.0/warehouses/1",
    "awsRoleArn": "arn:aws:iam::123456789012:role/reader",
    "maxBillingBytes": "1000",
    "externalOauthAuthorizationUrl": "https://login.example.com/a",
    "externalOauthTokenUrl": "https://login.example.com/t",
    "hostOverride": "acct.privatelink.snowflakecomputing.com",
    "wifAudience": PROPERTIES["wifAudience"].example,
    "wifServiceAccountEmail": "reader@p.iam.gserviceaccount.com",
}
# What signing in as the machine needs beside what the way declares.
MACHINES: dict[str, dict[str, Any]] = {
    "postgres": {"region": "us-east-1"},
    "mysql": {"host": "shop.abc123.eu-west-1.rds.amazonaws.com"},
    "mariadb": {"host": "shop.abc123.rds.cn-north-1.amazonaws.com.cn"},
    "mssql": {"host": "shop.database.windows.net"},
    "fabric": {"host": "abcd1234.datawarehouse.fabric.microsoft.com"},
    "redshift": {"host": "cluster-1.abc123.us-east-1.redshift.amazonaws.com"},
}

every_dialect = pytest.mark.parametrize("dialect", bodies.NAMES)


def declaration(dialect: str) -> Declaration:
    return registry.get(dialect).declaration


def problems(body: dict[str, Any], *, strict: bool = False) -> list[Problem]:
    try:
        validate(body, strict=strict)
    except InvalidSettings as invalid:
        return invalid.problems
    return []


def sample(name: str) -> Any:
    """A value that the property takes in any dialect that uses it."""
    if name == "privateKey":
        return bodies.pem()
    kinds = {Kind.SECRET: "other", Kind.BOOLEAN: True, Kind.LIST: "a,b", Kind.TIMEZONE: "UTC"}
    return SAMPLES.get(name, kinds.get(PROPERTIES[name].kind, "text"))


def test_the_dialects_are_those_of_the_contract_and_duckdb() -> None:
    assert set(registry.names()) == CONTRACT | LATER | {"duckdb"}
    assert {d for d in registry.names() if declaration(d).extension} == {"duckdb"}
    assert set(bodies.NAMES) == set(registry.names())


def test_every_property_is_used_by_some_dialect() -> None:
    for name in PROPERTIES:
        assert any(declaration(d).use(name) for d in registry.names()), name
    assert len(PROPERTIES) == 42


def test_whatever_sounds_secret_is_one() -> None:
    public = {"externalOauthTokenUrl", "inferRelationshipsFromForeignKeys"}
    for name, known in PROPERTIES.items():
        if re.search("password|secret|key|token", name, re.IGNORECASE) and name not in public:
            assert known.kind is Kind.SECRET, name
    assert not SECRETS.intersection(DESTINATION)


def test_who_uses_what_is_as_the_contract_says() -> None:
    def users(name: str) -> set[str]:
        return {d for d in registry.names() if declaration(d).use(name)}

    assert users("includeOtherCatalogs") == MULTI_CATALOG
    assert {d for d in registry.names() if declaration(d).multi_catalog} == MULTI_CATALOG
    assert users("trustServerCertificate") == UNTRUSTED
    assert users("privateKey") == {"snowflake"}
    assert users("acceptsLicense") == {"oracle"}
    rds = {"postgres", "mysql", "mariadb"}
    assert users("region") == {"bigquery", "athena"} | rds
    assert users("maxBillingBytes") == {"bigquery"}
    assert users("warehouse") == {"snowflake", "databricks"}
    own = {"athena", "databricks"} | users("entraTenant")
    assert users("entraTenant") == {"mssql", "fabric"}
    assert users("useMachineAuth") == own | rds | {"redshift", "databricks_lakebase"}
    assert users("hostOverride") == {"snowflake"}
    assert users("authenticationType") == {
        "bigquery", "mssql", "fabric", "snowflake", "databricks", "athena"
    }  # fmt: skip
    assert users("inferRelationshipsFromForeignKeys") >= {"postgres", "snowflake"}
    assert users("offloadedSchemas") == set(registry.names())
    assert CONTRACT - users("host") == {"motherduck", "bigquery"}


@every_dialect
def test_declarations_are_in_themselves_right(dialect: str) -> None:
    declared = declaration(dialect)
    assert declared.driver.extra == dialect
    assert re.fullmatch(r"[a-z][a-z0-9-]*", declared.driver.distribution)
    assert set(declared.uses) <= set(PROPERTIES)
    assert set(declared.without) <= {n for n, p in PROPERTIES.items() if p.universal}
    assert not set(declared.without) & set(declared.uses)
    for way in declared.authentication:
        for name in needed(way.needs) | set(way.optional) | set(way.advises):
            assert declared.use(name) is not None, name
    ways = declared.authentication
    values = [way.value for way in ways]
    assert len({way.value or way.chosen_by for way in ways}) == len(ways)
    assert all(PROPERTIES[w.chosen_by].kind is Kind.BOOLEAN for w in ways if w.chosen_by)
    if declared.use("authenticationType"):
        assert declared.default("authenticationType") == values[0]
    assert (declared.default_port is not None) == (declared.use("port") is not None)
    assert declared.default("alwaysScopeViewNames") is declared.multi_catalog


def needed(needs: tuple[str | tuple[str, ...], ...]) -> set[str]:
    return {n for need in needs for n in ((need,) if isinstance(need, str) else need)}


@every_dialect
def test_the_driver_is_installed_by_the_extra(dialect: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [*project["optional-dependencies"][dialect], *project["dependencies"]]
    names = {re.split(r"[\[>=;]", requirement)[0] for requirement in extras}
    assert declaration(dialect).driver.distribution in names


@every_dialect
def test_sqlglot_knows_the_dialect(dialect: str) -> None:
    from sqlglot.dialects.dialect import Dialect as Translator

    name = declaration(dialect).sqlglot
    assert (name is None) == (dialect == "sap_hana")
    assert name is None or Translator.get(name) is not None


@every_dialect
def test_a_minimal_body_is_taken_in_silence(dialect: str) -> None:
    draft = validate(bodies.body(dialect), strict=True)
    assert draft.dialect == dialect
    assert draft.warnings == []
    settings = draft.effective()
    assert settings["queryTimeoutSeconds"] == 900
    assert settings["baseRole"] == "NO_ACCESS"
    assert settings["systemTimezone"] == "UTC"
    assert settings["queryTimezone"] == "NONE"
    assert settings.get("port") == declaration(dialect).default_port


@every_dialect
def test_stored_settings_are_taken_again_unchanged(dialect: str) -> None:
    """An update checks the stored settings anew; they must neither change nor warn."""
    first = validate(bodies.body(dialect))
    again = validate(first.effective(), strict=True, kept=frozenset(first.secrets))
    assert again.effective() == first.effective()
    assert again.secrets == {}


@functools.cache
def removable() -> list[tuple[str, str]]:
    return [(d, n) for d in bodies.NAMES for n in bodies.body(d)]


@pytest.mark.parametrize(("dialect", "name"), removable())
@pytest.mark.parametrize("absent", ["removed", "null", "empty"])
def test_each_property_of_a_minimal_body_is_required(dialect: str, name: str, absent: str) -> None:
    body = bodies.body(dialect)
    del body[name]
    if absent == "null":
        body[name] = None
    if absent == "empty":
        if not isinstance(bodies.body(dialect)[name], str):
            return
        body[name] = ""
        if name == "passwordUnencrypted" and declaration(dialect).empty_password:
            assert [w.field for w in validate(body).warnings] == ["passwordUnencrypted"]
            return
    if name == "dialect" and absent == "empty":
        assert problems(body)[0].message.startswith("Unknown dialect")
        return
    found = problems(body)
    assert [p.field for p in found] == [name]
    assert found[0].fix


def inapplicable() -> list[tuple[str, str]]:
    return [(d, n) for d in bodies.NAMES for n in PROPERTIES if not declaration(d).use(n)]


@pytest.mark.parametrize(("dialect", "name"), inapplicable())
def test_what_does_not_apply_is_a_warning_or_strictly_a_problem(dialect: str, name: str) -> None:
    body = bodies.body(dialect, **{name: sample(name)})
    draft = validate(body)
    assert [w.field for w in draft.warnings] == [name]
    assert name in draft.settings or name in draft.secrets
    assert [p.field for p in problems(body, strict=True)] == [name]


def ways() -> list[tuple[str, int]]:
    return [(d, i) for d in bodies.NAMES for i in range(len(declaration(d).authentication))]


@pytest.mark.parametrize(("dialect", "index"), ways())
def test_each_way_to_sign_in_with_and_without_each_need(dialect: str, index: int) -> None:
    way = declaration(dialect).authentication[index]
    every = set(
        itertools.chain.from_iterable(needed(a.needs) for a in declaration(dialect).authentication)
    )
    always = {n for n, use in declaration(dialect).uses.items() if use.required}
    chosen = {way.chosen_by: True, **MACHINES.get(dialect, {})} if way.chosen_by else {}
    base = {**bodies.body(dialect), **chosen}
    if way.value is not None:
        base["authenticationType"] = way.value
    for name in every - needed(way.needs) - always:
        base.pop(name, None)
    filled = {n: base.get(n) or sample(n) for n in needed(way.needs)}
    if dialect == "bigquery" and "database" in filled:
        filled["database"] = "my-project"
    body = {**base, **filled}
    assert problems(body) == []
    for need in way.needs:
        without = {k: v for k, v in body.items() if k not in needed((need,))}
        assert [p.field for p in problems(without)] == [need if isinstance(need, str) else need[0]]


@every_dialect
def test_unknown_ways_to_sign_in(dialect: str) -> None:
    if declaration(dialect).use("authenticationType") is None:
        return
    (found,) = problems(bodies.body(dialect, authenticationType="magic"))
    assert found.field == "authenticationType"
    assert str(declaration(dialect).authentication[0].value) in found.fix


@every_dialect
def test_hosts_that_say_more_than_a_host(dialect: str) -> None:
    if declaration(dialect).use("host") is None:
        return
    for bad in ("a,b", "/tmp", "u@h", "h?x=1", "h:1;Encrypt=no", "(DESCRIPTION=x)", "h 1"):
        assert [p.field for p in problems(bodies.body(dialect, host=bad))] == ["host"], bad


@every_dialect
def test_what_is_dialled_follows_from_the_settings(dialect: str) -> None:
    settings = validate(bodies.body(dialect)).effective()
    address = registry.get(dialect).network_address(Target(dialect, settings, {}))
    if dialect == "duckdb":
        assert address is None
        return
    assert address is not None
    host, port = address
    assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+", host)
    assert port == declaration(dialect).default_port or port == 443


def test_identifiers_are_quoted_so_that_none_escapes() -> None:
    for dialect in registry.all_dialects().values():
        closing = dialect.quote("x")[-1]
        inside = dialect.quote(f"a{closing}b")[1:-1]
        assert inside in (f"a{closing * 2}b", f"a\\{closing}b")


def test_no_driver_is_imported_by_the_declarations() -> None:
    drivers = {declaration(d).driver.module for d in registry.names()}
    drivers |= {"pyarrow", "sqlglot", "cryptography", "adbc_driver_manager"}
    code = (
        "import sys; from dragoman.dialects import registry; registry.all_dialects();"
        f"print(sorted(set(sys.modules) & {drivers!r}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
