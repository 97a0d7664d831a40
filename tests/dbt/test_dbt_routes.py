"""dbt over HTTP: configuration, environments, artifacts, and imports into a real catalog."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dragoman.access.principal import OPERATOR
from dragoman.catalog.service import SchemaLayer
from dragoman.models import service as models
from dragoman.models.service import Kind, Model, NewModel
from tests.dbt.conftest import CATALOG, MANIFEST
from tests.support.certificates import Certificates
from tests.support.clients import assert_error
from tests.support.gitserver import TOKEN, Bare, https_server
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

SSH = "git@git.example.com:org/dbt.git"
BODY = {
    "autogenRelationships": True, "branch": "main", "enableVirtualSchemas": False, "sshUrl": SSH
}  # fmt: skip
DDL = """
CREATE SCHEMA main_staging;
CREATE TABLE main.customers (customer_id INTEGER, first_name VARCHAR, last_name VARCHAR,
    first_order DATE, number_of_orders BIGINT);
CREATE TABLE main.orders (order_id INTEGER, customer_id INTEGER, order_date DATE, status VARCHAR,
    amount DOUBLE, is_coupon BOOLEAN);
CREATE TABLE main.order_lines (order_id INTEGER, line_no INTEGER, sku INTEGER);
CREATE TABLE main_staging.stg_orders (order_id INTEGER, customer_id INTEGER);
"""


@pytest.fixture
def path(server: Server) -> str:
    return f"{CONNECTIONS}/{server.create()}/dbt"


def test_configuration(server: Server, path: str) -> None:
    none = server.root.get(path).json()
    assert none == {"message": "dbt not configured for this connection", "supportsDbt": True}
    assert_error(server.root.delete(path), 404)
    done = server.root.put(path, json=BODY)
    assert done.json() == {"message": "dbt configuration updated successfully", "success": True}
    shown = server.root.get(path).json()
    wanted = {
        **BODY, "supportsDbt": True, "dbtVersion": "Auto", "projectRootPath": None,
        "enableSemanticLayer": False, "authMethod": "ssh", "artifactsAt": None, "hostKey": None,
    }  # fmt: skip
    assert {name: shown[name] for name in wanted} == wanted
    assert shown["publicKey"].startswith("ssh-ed25519 ")
    same = {**BODY, "projectRootPath": "a/b", "dbtVersion": "1.11", "enableSemanticLayer": True}
    server.root.put(path, json=same)
    again = server.root.get(path).json()
    assert (again["publicKey"], again["projectRootPath"]) == (shown["publicKey"], "a/b")
    server.root.put(path, json={**BODY, "rotateKeys": True})
    assert server.root.get(path).json()["publicKey"] != shown["publicKey"]
    gone = server.root.delete(path).json()
    assert gone == {"message": "dbt repository unlinked successfully", "success": True}
    assert server.sql("SELECT * FROM sealed_secrets") == []


@pytest.mark.parametrize(
    "change",
    [
        {"sshUrl": "/srv/x"}, {"sshUrl": "https://h/x"}, {"branch": ""}, {"dbtVersion": "0.9"},
        {"projectRootPath": "/abs"}, {"projectRootPath": "a/../b"}, {"authMethod": "github_app"},
        {"authMethod": "https_token"}, {"token": "x"}, {"unknown": 1}, {"branch": None},
        {"authMethod": "https_token", "sshUrl": "https://h/x"},
        {"authMethod": "github_app", "sshUrl": "https://h/x", "githubAppId": "1"},
    ],
)  # fmt: skip
def test_refused(sqlite_server: Server, change: dict[str, Any]) -> None:
    path = f"{CONNECTIONS}/{sqlite_server.create()}/dbt"
    assert_error(sqlite_server.root.put(path, json={**BODY, **change}), 400)
    assert sqlite_server.sql("SELECT * FROM dbt_projects") == []


def test_dialects_without_dbt(sqlite_server: Server) -> None:
    path = f"{CONNECTIONS}/{sqlite_server.create('sap_hana')}/dbt"
    assert sqlite_server.root.get(path).json()["supportsDbt"] is False
    assert_error(sqlite_server.root.put(path, json=BODY), 400)
    assert_error(sqlite_server.root.get(f"{path}/environments"), 403)


def test_who_may(server: Server, path: str) -> None:
    connection = path.split("/")[4]
    admin = server.member("ad@example.com", **{connection: "CONNECTION_ADMIN"})
    querier = server.member("qu@example.com", **{connection: "QUERIER"})
    stranger = server.member("st@example.com", **{connection: "NO_ACCESS"})
    assert admin.put(path, json=BODY).status_code == 200
    for method in ("GET", "PUT", "DELETE"):
        options = {"json": BODY} if method == "PUT" else {}
        assert_error(querier.request(method, path, **options), 403)
        assert_error(stranger.request(method, path, **options), 404)
    assert_error(stranger.get(f"{path}/environments"), 404)
    [(owner,)] = server.sql("SELECT id FROM users WHERE email = 'qu@example.com'")
    own = {"name": "Mine", "targetSchema": "dev_qu", "ownerId": owner}
    made = querier.post(f"{path}/environments", json=own)
    assert made.status_code == 201, made.text
    shared = {"name": "Shared", "targetSchema": "prod"}
    assert_error(querier.post(f"{path}/environments", json=shared), 403)
    assert admin.post(f"{path}/environments", json=shared).status_code == 201
    other = f"{path}/environments/{made.json()['id']}"
    assert_error(admin.delete(other), 403)
    assert querier.delete(other).status_code == 200


def test_environments(server: Server, path: str) -> None:
    where = f"{path}/environments"
    body = {
        "name": "Production", "targetSchema": "main", "isDeferralEnabled": True,
        "variables": [
            {"name": "A", "value": "plain", "isSecret": False},
            {"name": "B", "value": "geheim-4711", "isSecret": True},
        ],
    }  # fmt: skip
    first = server.root.post(where, json=body).json()
    assert first["isDefaultEnvironment"] is True
    assert first["isDeferralEnabled"] is False
    assert [(v["name"], v["value"]) for v in first["variables"]] == [("A", "plain"), ("B", None)]
    assert "geheim" not in str(server.sql("SELECT * FROM dbt_variables, sealed_secrets"))
    assert_error(server.root.post(where, json=body), 400)
    for name in ("Alpha", "Zeta"):
        made = server.root.post(where, json={"name": name, "targetSchema": name.lower()})
        assert made.json()["isDefaultEnvironment"] is False
    seen, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = server.root.get(f"{where}?pageSize=1&sortDirection=asc{more}").json()
        assert page["pageInfo"]["totalRecords"] == 3
        seen += [row["name"] for row in page["records"]]
        cursor = page["pageInfo"]["nextCursor"]
    assert seen == ["Alpha", "Production", "Zeta"]
    a, b = first["variables"]
    changed = server.root.put(
        f"{where}/{first['id']}",
        json={
            "name": "Prod", "targetSchema": "main",
            "variables": [
                {"id": b["id"], "isSecret": True}, {"name": "C", "value": "c", "isSecret": False}
            ],
        },
    )  # fmt: skip
    assert changed.status_code == 200, changed.text
    assert {v["name"] for v in changed.json()["variables"]} == {"B", "C"}
    assert server.sql("SELECT count(*) FROM sealed_secrets") == [(1,)]
    for wrong in (
        [{"id": a["id"], "isSecret": False}], [{"id": b["id"], "isSecret": False}],
        [{"name": "D", "isSecret": False}], [{"id": b["id"], "name": "X", "isSecret": True}],
    ):  # fmt: skip
        sent = {"name": "Prod", "targetSchema": "main", "variables": wrong}
        assert_error(server.root.put(f"{where}/{first['id']}", json=sent), 400)
    gone = server.root.delete(f"{where}/{first['id']}").json()
    assert gone == {"message": "dbt environment deleted successfully", "success": True}
    left = server.root.get(where).json()["records"]
    assert [(e["name"], e["isDefaultEnvironment"]) for e in left] == [
        ("Zeta", False), ("Alpha", True)
    ]  # fmt: skip
    assert server.sql("SELECT * FROM sealed_secrets") == []
    assert_error(server.root.delete(f"{where}/{uuid.uuid4()}"), 404)
    assert_error(server.root.get(f"{where}?cursor=x"), 400)
    assert_error(server.root.get(f"{where}?sortDirection=up"), 400)


@pytest.fixture
def jaffle(tmp_path: Path, certificates: Certificates) -> Iterator[tuple[Server, Model]]:
    """A server whose connection holds the tables of the recorded project, read into its catalog."""
    root = tmp_path / "files"
    root.mkdir()
    with duckdb.connect(str(root / "jaffle.duckdb")) as made:
        made.execute(DDL)
    settings = settings_for(
        tmp_path / "home",
        duckdb_root=str(root),
        tls_ca_file=str(certificates.ca_file),
        build_schema_on_create="on",
    )
    with running_server(settings) as server:
        connection = server.create("duckdb", database="jaffle.duckdb", defaultSchema="main")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with server.unit() as unit:
                if SchemaLayer(unit, connection).view_names():
                    break
            time.sleep(0.1)
        with server.unit() as unit:
            model = models.create(unit, OPERATOR, NewModel(connection, Kind.SHARED, "M"))
        yield server, model


def artifacts(model: Model) -> str:
    return f"{CONNECTIONS}/{model.connection_id}/dbt/artifacts"


def test_import(jaffle: tuple[Server, Model]) -> None:
    server, model = jaffle
    where = f"/api/v1/models/{model.id}/dbt-import"
    assert_error(server.root.post(where, json={}), 404)
    both = b'{"manifest": %s, "catalog": %s}' % (MANIFEST, CATALOG)
    sent = server.root.post(artifacts(model), content=both)
    assert sent.status_code == 200, sent.text
    assert sent.json() == {
        "success": True, "dbtVersion": "1.10.23", "tables": 10, "tests": 15, "metrics": 9,
        "semanticModels": 2,
    }  # fmt: skip
    assert_error(server.root.post(artifacts(model), content=b"{}"), 400)
    dry = server.root.post(where, json={"dry_run": True}).json()
    assert dry["version"] is None
    with server.unit() as unit:
        assert models.files(unit, model.id) == {}
    done = server.root.post(where, json={})
    assert done.status_code == 200, done.text
    assert done.json()["files"] == dry["files"]
    assert done.json()["version"] == 1
    with server.unit() as unit:
        files = models.files(unit, model.id)
        view = models.StoredLayer(unit, models.load(unit, model.id)).view("orders")
    assert view is not None
    assert view.definition["measures"]["revenue"]["label"] == "Revenue"
    assert "${orders.customer_id} = ${customers.customer_id}" in files["relationships"]
    told = {note["subject"] for note in done.json()["notes"]}
    assert "running_revenue" in told
    again = server.root.post(where, json={}).json()
    assert (again["version"], again["files"]) == (1, {})


def test_import_into_a_branch_and_its_environment(jaffle: tuple[Server, Model]) -> None:
    server, model = jaffle
    server.root.put(
        f"{CONNECTIONS}/{model.connection_id}/dbt", json={**BODY, "enableVirtualSchemas": True}
    )
    where = f"{CONNECTIONS}/{model.connection_id}/dbt/environments"
    server.root.post(where, json={"name": "prod", "targetSchema": "main"})
    dev = server.root.post(where, json={"name": "dev", "targetSchema": "dev"}).json()["id"]
    server.root.post(artifacts(model), content=MANIFEST)
    with server.unit() as unit:
        wanted = NewModel(model.connection_id, Kind.BRANCH, "b", model.id)
        branch = models.create(unit, OPERATOR, wanted)
    path = f"/api/v1/models/{model.id}"
    done = server.root.post(f"{path}/dbt-import", json={"branch_id": branch.id})
    assert done.status_code == 200, done.text

    def virtual() -> dict[str, Any]:
        with server.unit() as unit:
            assert models.files(unit, model.id) == {}
            layer = models.StoredLayer(unit, models.load(unit, branch.id))
            view = layer.view("omni_dbt__orders")
            staging = layer.view("omni_dbt_staging__stg_orders")
        assert view is not None
        assert staging is not None
        return {**view.definition, "staging": staging.definition["schema"]}

    assert virtual() == {
        "schema": "main", "table_name": "orders", "extends": ["orders"], "staging": "main_staging"
    }  # fmt: skip
    bound = server.root.post(f"{path}/branch/b/dbt", json={"dbt_environment_id": dev})
    assert bound.json()["success"] is True
    assert (virtual()["schema"], virtual()["staging"]) == ("dev", "dev_staging")
    unknown = {"dbt_environment_id": str(uuid.uuid4())}
    assert_error(server.root.post(f"{path}/branch/b/dbt", json=unknown), 404)
    assert_error(server.root.post(f"{path}/branch/none/dbt", json=unknown), 404)


def test_import_from_git(
    jaffle: tuple[Server, Model], tmp_path: Path, certificates: Certificates
) -> None:
    server, model = jaffle
    bare = Bare(tmp_path / "served" / "dbt.git")
    where = f"/api/v1/models/{model.id}/dbt-import"
    assert_error(server.root.post(where, json={"source": "git"}), 403)
    with https_server(tmp_path / "served", certificates.good) as git:
        body = {
            **BODY, "sshUrl": git.url("dbt.git"), "authMethod": "https_token", "token": TOKEN,
            "projectRootPath": "warehouse",
        }  # fmt: skip
        assert (
            server.root.put(f"{CONNECTIONS}/{model.connection_id}/dbt", json=body).status_code
            == 200
        )
        bare.commit({"README": b"x"})
        answer = server.root.post(where, json={"source": "git"})
        assert "warehouse/target/manifest.json" in assert_error(answer, 400)["message"]
        bare.commit({"warehouse/target/manifest.json": MANIFEST})
        done = server.root.post(where, json={"source": "git"})
        assert done.status_code == 200, done.text
        assert "main/orders.view" in done.json()["files"]
    [(commit,)] = server.sql('SELECT "commit" FROM dbt_artifacts')
    assert commit == bare.head()


def test_exposures_are_none_while_there_are_no_dashboards(jaffle: tuple[Server, Model]) -> None:
    server, model = jaffle
    found = server.root.get(f"/api/v1/models/{model.id}/dbt-exposures?pageSize=5")
    assert found.json() == {
        "pageInfo": {"hasNextPage": False, "nextCursor": None, "pageSize": 5, "totalRecords": 0},
        "records": [],
    }
    assert_error(server.root.get(f"/api/v1/models/{uuid.uuid4()}/dbt-exposures"), 404)


def test_large_manifests(sqlite_server: Server) -> None:
    connection = sqlite_server.create()
    said = json.loads(MANIFEST)
    said["padding"] = "x" * 3_000_000
    where = f"{CONNECTIONS}/{connection}/dbt/artifacts"
    assert sqlite_server.root.post(where, content=json.dumps(said).encode()).status_code == 200
