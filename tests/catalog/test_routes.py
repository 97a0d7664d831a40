"""Browsing, changes, schemas, refreshes and their state over HTTP."""

from __future__ import annotations

from typing import Any

from tests.catalog.conftest import Shop
from tests.support.clients import Client, assert_error

USERS = "CREATE TABLE users (id bigint PRIMARY KEY, name text, email text)"
ORDERS = "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users)"


def get(client: Client, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def filled(shop: Shop) -> None:
    shop.sql(
        USERS,
        ORDERS,
        "COMMENT ON TABLE users IS 'People'",
        "CREATE SCHEMA crm",
        *(f"CREATE TABLE crm.lead_{number} (id int)" for number in range(5)),
    )
    shop.connect()
    shop.refresh()


def test_browsing_by_pages(shop: Shop) -> None:
    filled(shop)
    path, names, cursor = f"connections/{shop.id}/catalog", [], {}
    for _ in range(4):
        page = get(shop.server.root, path, pageSize=2, **cursor)
        assert page["pageInfo"]["totalRecords"] == 7
        names += [(each["schema"], each["name"]) for each in page["records"]]
        cursor = {"cursor": page["pageInfo"]["nextCursor"]}
    assert page["pageInfo"]["hasNextPage"] is False
    expected = [("crm", f"lead_{number}") for number in range(5)]
    assert names == [*expected, ("public", "orders"), ("public", "users")]


def test_browsing_by_name_and_schema(shop: Shop) -> None:
    filled(shop)
    path = f"connections/{shop.id}/catalog"

    def names(**query: Any) -> list[str]:
        return [each["name"] for each in get(shop.server.root, path, **query)["records"]]

    assert names(name="LEAD_3") == ["lead_3"]
    assert names(name="e%d") == []
    assert names(schema="public") == ["orders", "users"]
    assert names(schema="public", name="user") == ["users"]
    rest = {"default": None, "comment": None, "tags": []}
    [users] = get(shop.server.root, path, name="users", columns=True)["records"]
    assert users == {
        "catalog": shop.database,
        "schema": "public",
        "name": "users",
        "kind": "table",
        "comment": "People",
        "view": "users",
        "offloaded": False,
        "columnCount": 3,
        "tags": [],
        "columns": [
            {"name": name, "type": kind, "nullable": kind == "text", **rest}
            for name, kind in (("id", "bigint"), ("name", "text"), ("email", "text"))
        ],
        "primaryKey": ["id"],
        "foreignKeys": [],
    }


def test_changes_newest_first(shop: Shop) -> None:
    filled(shop)
    path = f"connections/{shop.id}/changes"
    assert get(shop.server.root, path)["records"] == []  # all was new, nothing changed
    shop.sql(
        "DROP SCHEMA crm CASCADE",
        "ALTER TABLE users DROP email, ADD born date, ALTER name TYPE varchar(40)",
        "CREATE TABLE notes (id int)",
    )
    shop.refresh()
    found = get(shop.server.root, path)["records"]
    told = {(e["change"], e["table"], e["column"], e["before"], e["after"]) for e in found}
    assert told == {
        ("column_removed", "users", "email", "text", None),
        ("column_added", "users", "born", None, "date"),
        ("column_retyped", "users", "name", "text", "character varying(40)"),
        ("table_added", "notes", None, None, None),
        *(("table_removed", f"lead_{n}", None, None, None) for n in range(5)),
    }
    page = get(shop.server.root, path, change="table_removed", pageSize=4)
    assert page["pageInfo"]["totalRecords"] == 5
    rest = get(
        shop.server.root, path, change="table_removed", cursor=page["pageInfo"]["nextCursor"]
    )
    assert len(rest["records"]) == 1
    assert {each["view"] for each in page["records"]} <= {f"crm__lead_{n}" for n in range(5)}


def test_changes_name_the_references_they_break(shop: Shop) -> None:
    filled(shop)
    root = shop.server.root
    made = root.post(
        "/api/v1/models",
        json={"connectionId": shop.id, "modelKind": "SHARED", "modelName": "Sales"},
    )
    model = made.json()["model"]["id"]
    files = {
        "public/users.view": (
            "dimensions:\n  email:\n    label: Mail\n  domain:\n    sql: split(${email})\n"
            "measures:\n  mails:\n    aggregate_type: count\n    filters:\n"
            "      users.email:\n        not: null\n"
        ),
        "crm.topic": "base_view: crm__lead_1\njoins:\n  users: {}\n",
    }
    shop.write_files(model, files)
    shop.sql("ALTER TABLE users DROP email", "DROP TABLE crm.lead_1")
    shop.refresh()
    found = {
        (each["view"], each["column"]): each["brokenReferences"]
        for each in get(root, f"connections/{shop.id}/changes")["records"]
    }
    email = [(each["file"], each["path"]) for each in found["users", "email"]]
    assert sorted(email) == [
        ("public/users.view", "dimensions,domain,sql"),
        ("public/users.view", "dimensions,email"),
        ("public/users.view", "measures,mails,filters,users.email"),
    ]
    assert all(each["modelId"] == model for each in found["users", "email"])
    lead = [(each["file"], each["path"]) for each in found["crm__lead_1", None]]
    assert lead == [("crm.topic", "base_view")]


def test_a_column_of_another_type_breaks_sums_and_time_frames(shop: Shop) -> None:
    filled(shop)
    shop.sql("CREATE TABLE sales (id int, amount int, rate int, note text, day date, at date)")
    shop.refresh()
    root = shop.server.root
    body = {"connectionId": shop.id, "modelKind": "SHARED", "modelName": "Sales"}
    model = root.post("/api/v1/models", json=body).json()["model"]["id"]
    measures = (
        "measures:\n  total:\n    aggregate_type: sum\n    sql: ${amount}\n"
        "  amounts:\n    aggregate_type: count_distinct\n    sql: ${amount}\n"
        "  rates:\n    aggregate_type: average\n    sql: ${sales.rate}\n"
        "  early:\n    aggregate_type: count\n    filters:\n      day[year]: {is: 2024}\n"
        "dimensions:\n  month:\n    sql: ${day[month]}\n  any:\n    sql: ${day}\n"
        "  then:\n    sql: ${at[month]}\n"
    )
    shop.write_files(model, {"public/sales.view": measures})
    retyped = "ALTER amount TYPE text, ALTER rate TYPE bigint"
    shop.sql(f"ALTER TABLE sales {retyped}, ALTER day TYPE text, ALTER at TYPE timestamptz")
    shop.refresh()
    found = {
        each["column"]: [(one["path"], one["reference"]) for one in each["brokenReferences"]]
        for each in get(root, f"connections/{shop.id}/changes", change="column_retyped")["records"]
    }
    assert found == {
        "amount": [("measures,total,sql", "sales.amount")],
        "rate": [],
        "day": [
            ("measures,early,filters,day[year]", "sales.day"),
            ("dimensions,month,sql", "sales.day"),
        ],
        "at": [],
    }


def test_schemas_of_a_model(shop: Shop) -> None:
    filled(shop)
    assert get(shop.server.root, f"models/{shop.id}/schemas") == {"schemas": ["crm", "public"]}


def test_what_is_refused(shop: Shop) -> None:
    filled(shop)
    root, connection = shop.server.root, f"/api/v1/connections/{shop.id}"
    assert_error(root.get(f"{connection}/catalog?cursor=zz"), 400)
    assert_error(root.get(f"{connection}/catalog?pageSize=0"), 400)
    assert_error(root.get(f"{connection}/changes?cursor=x"), 400)
    assert_error(root.get(f"{connection}/changes?change=other"), 400)
    refresh = f"/api/v1/models/{shop.id}/refresh"
    assert_error(root.post(f"{refresh}?branch_id={shop.id}"), 400)
    assert_error(root.post(f"{refresh}?schemas=a"), 400)
    assert_error(root.post(f'{refresh}?hard_refresh=false&schemas="a'), 400)
    nobody = shop.server.member("nobody@example.com")
    for path in (f"{connection}/catalog", f"{connection}/changes", f"{connection}/refresh"):
        assert_error(nobody.get(path), 404)
    assert_error(nobody.post(refresh), 404)
    reader = shop.server.member("reader@example.com", **{shop.id: "QUERIER"})
    assert reader.get(f"{connection}/catalog").status_code == 200
    assert_error(reader.post(refresh), 403)
    assert_error(shop.server.anonymous.get(f"{connection}/catalog"), 401)


def test_a_refresh_is_a_job_that_a_second_one_joins(shop: Shop) -> None:
    shop.connect()
    root = shop.server.root
    first = root.post(f"/api/v1/models/{shop.id}/refresh")
    assert first.status_code == 200, first.text
    body = first.json()
    assert (body["modelId"], body["status"]) == (shop.id, "running")
    second = root.post(f"/api/v1/models/{shop.id}/refresh", json={})
    if shop.refresh_state()["status"] == "running":
        assert second.json()["jobId"] == body["jobId"]
    assert shop.wait()["status"] == "completed"


def test_a_modeler_may_refresh_where_one_shared_model_stands_on_it(shop: Shop) -> None:
    shop.connect()
    modeler = shop.server.member("modeler@example.com", **{shop.id: "MODELER"})
    path = f"/api/v1/models/{shop.id}/refresh"
    assert_error(modeler.post(path), 403)
    body = {"connectionId": shop.id, "modelKind": "SHARED", "modelName": "One"}
    assert shop.server.root.post("/api/v1/models", json=body).status_code == 200
    assert modeler.post(path).status_code == 200
    assert shop.wait()["status"] == "completed"
    shop.server.root.post("/api/v1/models", json={**body, "modelName": "Two"})
    assert_error(modeler.post(path), 403)
