"""From a body to a draft: the rules of single dialects, and what holds for any body at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects import registry
from dragoman.dialects.base import Target
from dragoman.dialects.properties import PROPERTIES
from dragoman.dialects.validation import Draft, InvalidSettings, Problem, validate
from dragoman.secret import SecretStr
from tests.support import bodies
from tests.support.bodies import body

# The examples of the operation's page, as published.
PUBLISHED: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("published_examples.json").read_text()
)


def refused(sent: dict[str, Any], **options: Any) -> list[Problem]:
    with pytest.raises(InvalidSettings) as invalid:
        validate(sent, **options)
    return invalid.value.problems


def fields(sent: dict[str, Any]) -> list[str]:
    return [problem.field for problem in refused(sent)]


def warned(draft: Draft) -> list[str]:
    return [warning.field for warning in draft.warnings]


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda p: p["dialect"])
def test_the_published_examples_are_taken(published: dict[str, Any]) -> None:
    sent = dict(published)
    if sent["passwordUnencrypted"] == "<SERVICE_ACCOUNT_JSON_FILE>":
        sent["passwordUnencrypted"] = bodies.service_account()
    draft = validate(sent, strict=True)
    assert draft.warnings == []
    kept = {k: v for k, v in sent.items() if k != "passwordUnencrypted"}
    assert kept.items() <= draft.settings.items()
    assert draft.plain("passwordUnencrypted") == sent["passwordUnencrypted"]


def test_entra_says_what_cannot_work() -> None:
    sent = bodies.body("mssql", authenticationType="mssql-active-directory-service-principal")
    assert [w.field for w in validate(sent).warnings] == ["username"]
    named = validate({**sent, "username": "client@shop.example.test"})
    assert named.warnings == []
    assert validate({**sent, "entraTenant": "6f1c"}).warnings == []
    for tenant in ("a/b", "a?b", "..", "a b"):
        assert fields({**sent, "entraTenant": tenant}) == ["entraTenant"]
        assert fields({**sent, "username": f"client@{tenant}"}) == ["username"]
    untrusted = validate({**sent, "entraTenant": "t", "trustServerCertificate": True})
    assert "trustServerCertificate" in [w.field for w in untrusted.warnings]
    # The machine's own token goes to Microsoft's endpoints only.
    machine = {"useMachineAuth": True, "passwordUnencrypted": None, "username": None}
    for host in ("db.example.com", "database.windows.net", "shop.database.windows.net.example.com"):
        assert fields(bodies.body("mssql", host=host, **machine)) == ["host"]
    validate(bodies.body("mssql", host="Shop.Database.Windows.NET", **machine))


def test_all_problems_are_told_at_once() -> None:
    sent = {
        "dialect": "mssql",
        "nmae": "typo",
        "host": "a,b",
        "port": 0,
        "queryTimeoutSeconds": 3601,
        "systemTimezone": "Mars",
        "maxBillingBytes": "x",
        "authenticationType": "magic",
    }
    assert sorted(fields(sent)) == sorted(
        [
            "nmae", "name", "host", "port", "queryTimeoutSeconds", "systemTimezone",
            "maxBillingBytes", "authenticationType", "database", "defaultSchema",
        ]
    )  # fmt: skip


def test_unknown_keys_say_what_was_meant() -> None:
    fixes = {
        p.field: p.fix for p in refused(body("postgres", hots="x", Passwordunencrypted="y", zz=1))
    }
    assert fixes["hots"] == "Did you mean host?"
    assert fixes["Passwordunencrypted"] == "Did you mean passwordUnencrypted?"
    assert fixes["zz"] == "Leave it out."
    many = refused({**body("postgres"), **{f"key{i}": 1 for i in range(50)}})
    assert len(many) == 21
    assert "30 more" in many[-1].message


@pytest.mark.parametrize(
    ("sent", "hint"),
    [("postgresql", "postgres"), ("Snowflake", "snowflake"), ("sap-hana", "sap_hana")],
)
def test_unknown_dialects_say_what_was_meant(sent: str, hint: str) -> None:
    (problem,) = refused({**body("postgres"), "dialect": sent})
    assert f"Did you mean {hint}?" in problem.fix
    assert "trino" in problem.fix


def test_null_is_absent() -> None:
    nothing = dict.fromkeys(PROPERTIES)
    assert validate({**nothing, **body("postgres")}).settings == validate(body("postgres")).settings
    assert sorted(fields(nothing)) == ["dialect", "name"]


def test_a_secret_never_shows() -> None:
    sent = body("postgres", passwordUnencrypted="hunter2", port="x", host="a,b")
    with pytest.raises(InvalidSettings) as invalid:
        validate(sent)
    assert "hunter2" not in repr(invalid.value.problems) + str(invalid.value)
    assert "hunter2" not in repr(validate(body("postgres", passwordUnencrypted="hunter2")))


def test_references_stand_for_secrets() -> None:
    reference = {"$secret": "env:DRAGOMAN_SECRET_X"}
    for dialect in ("postgres", "bigquery"):
        draft = validate(body(dialect, passwordUnencrypted=reference))
        assert str(draft.secrets["passwordUnencrypted"]) == "env:DRAGOMAN_SECRET_X"
    keyed = body("snowflake", passwordUnencrypted=None, privateKey=reference)
    assert validate(keyed).settings["authenticationType"] == "snowflake-keypair"


def test_a_kept_secret_counts_as_sent() -> None:
    sent = body("postgres", passwordUnencrypted=None)
    assert [p.field for p in refused(sent)] == ["passwordUnencrypted"]
    assert validate(sent, kept=frozenset({"passwordUnencrypted"})).secrets == {}


def test_untrusted_certificates_are_named() -> None:
    assert warned(validate(body("clickhouse", trustServerCertificate=True))) == [
        "trustServerCertificate"
    ]
    assert warned(validate(body("clickhouse", trustServerCertificate=False))) == []


def test_base_roles_have_one_spelling() -> None:
    draft = validate(body("postgres", baseRole="RESTRICTED_QUERIER"))
    assert draft.settings["baseRole"] == "QUERY_TOPICS"


@pytest.mark.parametrize(
    ("offloaded", "others", "warnings"),
    [
        ("STAGING_*", None, []),
        ("OTHER.S", "OTHER,MORE", []),
        ("OTHER.S", "other*", []),
        ("MYDB.S", None, []),
        ("OTHER.S", None, ["offloadedSchemas"]),
        (["A.S", "B.S"], "A", ["offloadedSchemas"]),
        ('"OTHER.S"', None, []),
    ],
)
def test_offloaded_schemas_of_catalogs(offloaded: Any, others: Any, warnings: list[str]) -> None:
    sent = body("snowflake", offloadedSchemas=offloaded, includeOtherCatalogs=others)
    draft = validate(sent)
    assert warned(draft) == warnings
    assert isinstance(draft.settings["offloadedSchemas"], str)


@pytest.mark.parametrize(
    ("other", "warnings"),
    [
        ({}, []),
        ({"defaultSchema": "public", "includeSchemas": "public,sales"}, []),
        ({"defaultSchema": "uploads"}, ["scratchSchema"]),
        ({"includeSchemas": "public,up*"}, ["scratchSchema"]),
    ],
)
def test_the_schema_of_uploads_is_for_them_alone(
    other: dict[str, Any], warnings: list[str]
) -> None:
    assert warned(validate(body("postgres", scratchSchema="uploads", **other))) == warnings


# Snowflake


@pytest.mark.parametrize(
    ("sent", "account"),
    [
        ("myorg-my_account", "myorg-my_account"),
        ("xy12345.eu-central-1", "xy12345.eu-central-1"),
        ("myaccount.snowflakecomputing.com", "myaccount"),
        ("https://MyAccount.snowflakecomputing.com/", "MyAccount"),
        ("xy1.us-east-1.privatelink.snowflakecomputing.com", "xy1.us-east-1.privatelink"),
        ("xy1.cn-north-1.snowflakecomputing.cn", "xy1.cn-north-1"),
    ],
)
def test_snowflake_hosts_are_cut_to_the_account(sent: str, account: str) -> None:
    draft = validate(body("snowflake", host=sent))
    assert draft.settings["host"] == account
    assert warned(draft) == ([] if sent == account else ["host"])
    address = registry.get("snowflake").network_address(Target("snowflake", draft.effective(), {}))
    assert address is not None
    full = sent.removeprefix("https://").rstrip("/")
    assert address[0] == (full if "computing" in full else f"{account}.snowflakecomputing.com")


def test_a_chinese_account_without_region_keeps_its_name() -> None:
    draft = validate(body("snowflake", host="org-acct.snowflakecomputing.cn"))
    assert "host" not in draft.settings
    assert draft.settings["hostOverride"] == "org-acct.snowflakecomputing.cn"
    again = validate(draft.effective(), kept=frozenset(draft.secrets))
    assert again.settings["hostOverride"] == "org-acct.snowflakecomputing.cn"


@pytest.mark.parametrize(
    "host",
    [
        "a/b", "a?x=1", "a:443", "evil.example.com#.snowflakecomputing.com", "a@b", "-a", "a..b",
        "a,b", "account.snowflakecomputing.com.evil.example.com", "{a}", "a b",
        "x/.snowflakecomputing.cn", "http://a",
    ],
)  # fmt: skip
def test_snowflake_hosts_refused(host: str) -> None:
    assert set(fields(body("snowflake", host=host))) <= {"host", "hostOverride"}


def test_snowflake_takes_one_of_host_and_override() -> None:
    override = "a.privatelink.snowflakecomputing.com"
    assert fields(body("snowflake", hostOverride=override)) == ["hostOverride"]
    assert fields(body("snowflake", host=None)) == ["host"]
    draft = validate(body("snowflake", host=None, hostOverride=override))
    address = registry.get("snowflake").network_address(Target("snowflake", draft.effective(), {}))
    assert address == (override, 443)
    for bad in ("https://a.example", "a:1", "a,b", "/x"):
        assert fields(body("snowflake", host=None, hostOverride=bad)) == ["hostOverride"]


def keyed(key: str, **changes: Any) -> dict[str, Any]:
    return body("snowflake", **{"passwordUnencrypted": None, "privateKey": key, **changes})


@pytest.mark.parametrize("form", [bodies.pem(), bodies.bare(bodies.pem()), "  " + bodies.pem()])
def test_snowflake_keys_get_their_headers(form: str) -> None:
    draft = validate(keyed(form))
    assert draft.settings["authenticationType"] == "snowflake-keypair"
    assert draft.secrets["privateKey"] == SecretStr(bodies.pem())
    assert draft.warnings == []


@pytest.mark.parametrize("make", [str, bodies.bare])
def test_snowflake_opens_encrypted_keys(make: Any) -> None:
    key = bodies.pem(passphrase="open sesame")
    draft = validate(keyed(make(key), passwordUnencrypted="open sesame"))
    assert draft.secrets["privateKey"] == SecretStr(key)
    (wrong,) = refused(keyed(make(key), passwordUnencrypted="other"))
    assert (wrong.field, "passphrase is wrong" in wrong.message) == ("privateKey", True)
    for missing in (None, ""):
        (absent,) = refused(keyed(make(key), passwordUnencrypted=missing))
        assert absent.field == "passwordUnencrypted"
    reference = {"$secret": "env:DRAGOMAN_SECRET_X"}
    assert validate(keyed(make(key), passwordUnencrypted=reference)).problems == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (bodies.pem(1024), "at least 2048 bits, has 1024"),
        (bodies.pem(pkcs1=True), "PKCS#1"),
        (bodies.bare(bodies.pem(pkcs1=True)), "PKCS#1"),
        (bodies.as_pem(bodies.elliptic_key()), "RSA"),
        (bodies.public_pem(), "public half"),
        (bodies.bare(bodies.public_pem()), "public half"),
        (bodies.pem()[:600], "cut off"),
        (bodies.bare(bodies.pem())[:600], "Not a"),
        ("garbage", "Not a private key"),
        ("MAA=", "Not a private key"),
        ("A" * 12_001, "Too long"),
        (bodies.pem().replace("PRIVATE KEY", "EC PRIVATE KEY"), "EC PRIVATE KEY"),
        (bodies.pem()[:300] + "AAAA" + bodies.pem()[304:], "damaged"),
    ],
)
def test_snowflake_keys_refused(key: str, said: str) -> None:
    (problem,) = refused(keyed(key))
    assert problem.field == "privateKey"
    assert said in problem.message
    assert problem.fix
    assert key[:40] not in problem.message + problem.fix or len(key) < 10


def test_empty_secrets_count_as_absent() -> None:
    draft = validate(body("snowflake", privateKey="", oauthClientSecretUnencrypted=""))
    assert set(draft.secrets) == {"passwordUnencrypted"}
    assert draft.settings["authenticationType"] == "snowflake-password"
    draft = validate(keyed(bodies.pem(), passwordUnencrypted=""))
    assert set(draft.secrets) == {"privateKey"}


def test_pkcs1_keys_come_with_the_command() -> None:
    assert "openssl pkcs8 -topk8" in refused(keyed(bodies.pem(pkcs1=True)))[0].fix


def test_snowflake_oauth_needs_no_password_but_advises_a_service_account() -> None:
    oauth = {
        "authenticationType": "snowflake-oauth-user",
        "oauthClientId": "id",
        "oauthClientSecretUnencrypted": "secret",
        "passwordUnencrypted": None,
    }
    assert warned(validate(body("snowflake", **oauth))) == []
    assert warned(validate(body("snowflake", **oauth, username=None))) == ["username"]


def test_snowflake_topics_need_the_integration() -> None:
    sent = body("snowflake", enableDbSemanticLayerTopics=True)
    assert warned(validate(sent)) == ["enableDbSemanticLayerTopics"]
    assert warned(validate({**sent, "enableDbSemanticLayerIntegration": True})) == []


def test_a_key_beside_password_sign_in_is_named() -> None:
    sent = body("snowflake", authenticationType="snowflake-password", privateKey=bodies.pem())
    assert warned(validate(sent)) == ["privateKey"]


# BigQuery


def test_bigquery_fills_project_and_user_from_the_key() -> None:
    draft = validate(body("bigquery"))
    assert draft.settings["database"] == "my-project"
    assert draft.settings["username"] == "reader@my-project.iam.gserviceaccount.com"
    other = validate(body("bigquery", database="billing-project", username="me@example.com"))
    assert other.settings["database"] == "billing-project"
    assert warned(other) == ["username"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": "external_account"}, '"external_account"'),
        ({"type": "authorized_user"}, '"authorized_user"'),
        ({"type": "impersonated_service_account"}, '"impersonated_service_account"'),
        ({"type": None}, "missing"),
        ({"type": ["service_account"]}, "service_account"),
        ({"project_id": None}, "project_id"),
        ({"private_key": None, "client_email": ""}, "private_key, client_email"),
        ({"project_id": "x; drop"}, "project_id"),
        ({"client_email": "no address"}, "client_email"),
        ({"token_uri": "https://evil.example/token"}, "token_uri"),
        ({"token_uri": "http://oauth2.googleapis.com/token"}, "token_uri"),
        ({"universe_domain": "evil.example"}, "universe_domain"),
        ({"private_key": "garbage"}, "private_key"),
        ({"private_key": bodies.public_pem()}, "public half"),
        ({"private_key": bodies.pem(1024)}, "2048"),
        ({"private_key": bodies.pem(passphrase="x")}, "encrypted"),
    ],
)
def test_bigquery_keys_refused(changes: dict[str, Any], said: str) -> None:
    sent = body("bigquery", passwordUnencrypted=bodies.service_account(**changes))
    (problem,) = refused(sent)
    assert problem.field == "passwordUnencrypted"
    assert said in problem.message


@pytest.mark.parametrize("text", ["<SERVICE_ACCOUNT_JSON_FILE>", "[]", "1", "{", "[" * 60_000])
def test_bigquery_passwords_that_are_no_key(text: str) -> None:
    (problem,) = refused(body("bigquery", passwordUnencrypted=text))
    assert problem.field == "passwordUnencrypted"
    assert "service account" in problem.message


@pytest.mark.parametrize("audience", ["https://evil.example", "//iam.googleapis.com/projects/1"])
def test_bigquery_audiences_refused(audience: str) -> None:
    wif = {
        "authenticationType": "bigquery-workload-identity-federation",
        "passwordUnencrypted": None,
        "database": "my-project",
    }
    assert fields(body("bigquery", **wif, wifAudience=audience)) == ["wifAudience"]
    good = str(PROPERTIES["wifAudience"].example)
    assert warned(validate(body("bigquery", **wif, wifAudience=good))) == []


# The others


@pytest.mark.parametrize("accepts", [None, False])
def test_oracle_needs_the_licence(accepts: bool | None) -> None:
    (problem,) = refused(body("oracle", acceptsLicense=accepts))
    assert problem.field == "acceptsLicense"
    assert "acceptsLicense must be true" in problem.message + problem.fix


@pytest.mark.parametrize(
    ("sent", "stored", "warnings"),
    [
        ({"warehouse": "sql/1.0/endpoint"}, {"warehouse": "/sql/1.0/endpoint"}, ["warehouse"]),
        ({"host": "https://dbc-2.example.com/"}, {"host": "dbc-2.example.com"}, ["host"]),
        ({"useMachineAuth": True}, {}, ["useMachineAuth"]),
        ({"username": "token"}, {"username": "token"}, []),
    ],
)  # fmt: skip
def test_databricks(sent: dict[str, Any], stored: dict[str, Any], warnings: list[str]) -> None:
    way = {"authenticationType": "databricks-personal-access-token"}
    draft = validate(body("databricks", **way, **sent))
    assert stored.items() <= draft.settings.items()
    assert warned(draft) == warnings


def test_databricks_machine_means_the_service_principal() -> None:
    machine = {"useMachineAuth": True, "passwordUnencrypted": None}
    client = {"oauthClientId": "id", "oauthClientSecretUnencrypted": "secret"}
    draft = validate(body("databricks", **machine, **client))
    assert draft.settings["authenticationType"] == "databricks-oauth-m2m"
    assert fields(body("databricks", **machine)) == [
        "oauthClientId",
        "oauthClientSecretUnencrypted",
    ]


@pytest.mark.parametrize(
    "path", ["/sql/../x", "/sql/1?x=1", "/sql/1.0/a b", "//evil/sql", "/other"]
)
def test_databricks_paths_refused(path: str) -> None:
    assert fields(body("databricks", warehouse=path)) == ["warehouse"]


def test_athena_signs_in_by_machine_or_role() -> None:
    keyless = {"username": None, "passwordUnencrypted": None}
    assert validate(body("athena", **keyless, useMachineAuth=True)).warnings == []
    role = "arn:aws:iam::123456789012:role/team/reader"
    draft = validate(body("athena", **keyless, awsRoleArn=role))
    assert draft.settings["authenticationType"] == "aws-cross-account-role"
    assert fields(body("athena", **keyless)) == ["username", "passwordUnencrypted"]
    again = validate(validate(body("athena", **keyless, useMachineAuth=True)).effective())
    assert again.problems == []


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("host", "db.example.com"),
        ("host", "s3://A"),
        ("host", "s3://bucket/../x?y"),
        ("host", "s3://192.168.1.1/x"),
        ("host", "https://s3.amazonaws.com/x"),
        ("awsRoleArn", "arn:aws:s3:::bucket"),
        ("awsRoleArn", "arn:aws:iam::1:role/x"),
        ("region", "us-east-1.evil.example#"),
        ("region", "US"),
    ],
)
def test_athena_refuses(name: str, bad: str) -> None:
    assert fields(body("athena", **{name: bad})) == [name]


def test_athena_takes_a_place_for_results() -> None:
    draft = validate(body("athena", host="s3://my-bucket/athena/results/"))
    assert draft.settings["host"] == "s3://my-bucket/athena/results/"
    assert draft.effective()["database"] == "AwsDataCatalog"


@pytest.mark.parametrize(
    "database", ["a?motherduck_token=x", "../x", "/etc/passwd", "a;b", "md:md:a"]
)
def test_motherduck_databases_refused(database: str) -> None:
    assert fields(body("motherduck", database=database)) == ["database"]


def test_motherduck_prefix_is_cut() -> None:
    draft = validate(body("motherduck", database="md:my_db"))
    assert draft.settings["database"] == "my_db"
    assert warned(draft) == ["database"]


# Any body at all

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)


JSON = st.recursive(ATOMS, containers, max_leaves=6)
SIGNS = st.text(alphabet="a1,;=?&@/\\:()[]{}<>'\"`%$# *.-_\t\n\0é\u202e", max_size=24)
DIALECTS = st.sampled_from(bodies.NAMES)


@given(st.dictionaries(st.sampled_from(list(PROPERTIES)) | st.text(max_size=12), JSON), DIALECTS)
def test_any_json_is_taken_or_refused_in_words(sent: dict[str, Any], dialect: str) -> None:
    for candidate in (sent, {**sent, "dialect": dialect}, {**body(dialect), **sent}):
        problems = [Problem("", "taken")]
        try:
            assert validate(candidate).problems == []
        except InvalidSettings as invalid:
            problems = invalid.problems
        assert problems
        assert all(problem.message for problem in problems)


@given(DIALECTS, st.data())
def test_no_text_ends_up_in_another_field(dialect: str, data: st.DataObject) -> None:
    """Whatever separators a text has, it stays the value of its own property."""
    base = body(dialect)
    texts = [n for n, v in base.items() if isinstance(v, str) and n != "dialect"]
    name = data.draw(st.sampled_from(texts))
    before = validate(base)
    try:
        after = validate({**base, name: str(base[name]) + data.draw(SIGNS)})
    except InvalidSettings:
        return
    unchanged = {n: v for n, v in before.settings.items() if n != name}
    assert {n: v for n, v in after.settings.items() if n != name} == unchanged
    others = set(before.secrets) - {name}
    assert all(after.secrets[n] == before.secrets[n] for n in others)
    assert set(after.secrets) | set(after.settings) <= set(before.secrets) | set(before.settings)
