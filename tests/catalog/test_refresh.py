"""A refresh against a real PostgreSQL: what is read, what is written, what it leaves alone."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from dragoman.access.policy import Permission
from dragoman.access.principal import OPERATOR
from dragoman.catalog import refresh, service
from dragoman.connections import service as connections
from dragoman.jobs import Job, cancel
from tests.catalog.conftest import Inline, Shop

USERS = "CREATE TABLE users (id bigint PRIMARY KEY, name text)"
ORDERS = "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, placed_at timestamp)"


def test_a_database_becomes_a_schema_model(shop: Shop) -> None:
    shop.sql(USERS, ORDERS, "CREATE SCHEMA crm", "CREATE VIEW crm.leads AS SELECT 1 AS id")
    shop.connect()
    done = shop.refresh()
    assert done == {"tables": 3, "columns": 6, "added": 3, "changed": 0, "removed": 0}
    assert shop.views() == ["crm__leads", "orders", "users"]
    assert shop.definition("users")["dimensions"]["id"] == {
        "sql": '"id"',
        "label": "Id",
        "format": "ID",
        "primary_key": True,
    }
    assert shop.joins() == ["${orders.user_id} = ${users.id}"]
    assert shop.layer(lambda layer: layer.schemas()) == ["crm", "public"]
    state = shop.state()
    assert (state.generation, state.tables, state.columns) == (1, 3, 6)
    assert state.failure is None
    assert state.pending is None


def test_an_unchanged_database_costs_no_write_but_the_note_that_it_was_read(shop: Shop) -> None:
    shop.sql(USERS, ORDERS)
    shop.connect()
    shop.refresh()
    first = shop.state()
    before = rows(shop)
    assert shop.refresh() == {"tables": 2, "columns": 5, "added": 0, "changed": 0, "removed": 0}
    assert shop.jobs[-1].writes == 1
    assert rows(shop) == before
    state = shop.state()
    assert state.generation == first.generation
    assert state.changed_at == first.changed_at
    assert state.refreshed_at is not None
    assert first.refreshed_at is not None
    assert state.refreshed_at >= first.refreshed_at


def test_a_change_touches_only_its_tables(shop: Shop) -> None:
    shop.sql(USERS, ORDERS, "CREATE TABLE lines (id int, order_id bigint)")
    shop.connect()
    shop.refresh()
    before = rows(shop)
    shop.sql("ALTER TABLE users ADD email text")
    assert shop.refresh()["changed"] == 1
    after = rows(shop)
    assert {name for name in before if before[name] != after[name]} == {"users"}
    assert "email" in shop.definition("users")["dimensions"]
    assert shop.joins() == [
        "${lines.order_id} = ${orders.id}",
        "${orders.user_id} = ${users.id}",
    ]


def test_hard_refresh_removes_and_soft_refresh_does_not(shop: Shop) -> None:
    shop.sql(USERS, ORDERS)
    shop.connect()
    shop.refresh()
    shop.sql("DROP TABLE users", "CREATE TABLE more (id int)")
    assert shop.refresh(hard_refresh=False) == {
        "tables": 3,
        "columns": 6,
        "added": 1,
        "changed": 0,
        "removed": 0,
    }
    assert shop.views() == ["more", "orders", "users"]
    assert shop.refresh(hard_refresh=True)["removed"] == 1
    assert shop.views() == ["more", "orders"]
    assert shop.joins() == []


def test_a_table_that_comes_back_is_joined_again(shop: Shop) -> None:
    shop.sql(ORDERS)
    shop.connect()
    shop.refresh()
    assert shop.joins() == []
    shop.sql(USERS)
    shop.refresh()
    assert shop.joins() == ["${orders.user_id} = ${users.id}"]
    shop.sql("ALTER TABLE users RENAME id TO number")
    shop.refresh()
    assert shop.joins() == ["${orders.user_id} = ${users.number}"]
    shop.sql("ALTER TABLE users ALTER number TYPE text")
    shop.refresh()
    assert shop.joins() == []


def test_a_refresh_that_is_joined_does_what_all_asked_for(shop: Shop) -> None:
    shop.sql(USERS, ORDERS)
    shop.connect()
    with shop.server.unit() as unit:
        connection = connections.get(unit, OPERATOR, shop.id, Permission.CATALOG_REFRESH)
        cancel(unit, shop.id, "Another one is looked at.")

        def ask(**how: Any) -> Job:
            return service.request_refresh(unit, OPERATOR, connection, **how)

        jobs = [ask(hard=False, tables="a"), ask(hard=False, tables="a")]
        assert jobs[1].arguments["tables"] == "a"
        jobs += [ask(hard=False, tables="b"), ask(hard=False), ask(hard=False, tables="b")]
        assert jobs[4].arguments == {"hard_refresh": False, "schemas": "", "tables": ""}
        jobs += [ask(), ask(hard=False)]
        assert jobs[6].arguments == {"hard_refresh": True, "schemas": "", "tables": ""}
        assert len({job.id for job in jobs}) == 1
        unit.db.rollback()


@pytest.mark.parametrize("place", ["_read", "_is_outdated"])
def test_a_change_whose_refresh_joins_one_that_has_read_already_is_read(
    shop: Shop, place: str
) -> None:
    """The request comes once the catalog is read, or when nothing is left to do but to end."""
    shop.sql(USERS, ORDERS)
    shop.connect()
    shop.wait()
    path, joined = f"/api/v1/models/{shop.id}/refresh", list[str]()
    real = getattr(refresh, place)

    def late(*given: Any) -> Any:
        found = real(*given)
        if not joined:
            shop.sql("DROP TABLE users", "CREATE TABLE more (id int)")
            joined.append(shop.server.root.post(path).json()["jobId"])
        return found

    with mock.patch.object(refresh, place, late):
        query = {"hard_refresh": False, "tables": "nothing"}
        first = shop.server.root.post(path, params=query).json()["jobId"]
        assert shop.wait()["status"] == "completed"
    assert joined == [first]
    assert shop.views() == ["more", "orders"]


def test_selective_refreshes_leave_the_rest_as_it_is(shop: Shop) -> None:
    shop.sql(USERS, "CREATE SCHEMA crm", "CREATE TABLE crm.leads (id int)")
    shop.connect()
    shop.refresh()
    shop.sql(
        "CREATE TABLE orders (id int)",
        "CREATE TABLE crm.deals (id int)",
        "CREATE TABLE crm.notes (id int)",
        "DROP TABLE crm.leads",
    )
    shop.refresh(hard_refresh=False, schemas="CR*", tables="deal*")
    assert shop.views() == ["crm__deals", "crm__leads", "users"]
    shop.refresh(hard_refresh=False, schemas="crm")
    assert shop.views() == ["crm__deals", "crm__leads", "crm__notes", "users"]


def test_only_included_schemas_are_read(shop: Shop) -> None:
    shop.sql(USERS, *(f"CREATE SCHEMA s{n}" for n in range(3)), "CREATE TABLE s1.t (id int)")
    shop.connect(includeSchemas="s*")
    shop.refresh()
    assert shop.views() == ["s1__t"]
    shop.refresh(hard_refresh=False, schemas="public")
    assert shop.views() == ["s1__t"]


def test_offloaded_schemas_are_kept_and_loaded_when_asked_for(shop: Shop) -> None:
    shop.sql(
        USERS,
        "CREATE SCHEMA old",
        "CREATE TABLE old.users (id int)",
        "CREATE TABLE old.orders (id int, user_id int)",
    )
    shop.connect(offloadedSchemas="ol*")
    shop.refresh()
    assert shop.views() == ["users"]
    assert shop.joins() == []
    assert shop.views("old") == ["old__orders", "old__users", "users"]
    assert shop.layer(lambda layer: len(layer.relationships()), "old") == 1
    assert shop.layer(lambda layer: layer.view("old__users")) is not None
    assert len(shop.layer(lambda layer: layer.relationships_of("old__orders"))) == 1
    assert shop.layer(lambda layer: layer.schemas()) == ["old", "public"]


def test_foreign_keys_where_the_connection_asks(shop: Shop) -> None:
    shop.sql(
        USERS,
        "CREATE TABLE profiles (owner bigint UNIQUE REFERENCES users)",
        "CREATE TABLE orders (buyer bigint REFERENCES users, seller bigint REFERENCES users)",
    )
    shop.connect(inferRelationshipsFromForeignKeys=True)
    shop.refresh()
    found = shop.layer(lambda layer: layer.relationships())
    assert {
        (e["join_from_view"], e.get("join_to_view_as"), e["relationship_type"]) for e in found
    } == {
        ("orders", "buyer_users", "many_to_one"),
        ("orders", "seller_users", "many_to_one"),
        ("profiles", None, "one_to_one"),
    }
    assert len(shop.layer(lambda layer: layer.relationships_of("buyer_users"))) == 1
    assert len(shop.layer(lambda layer: layer.relationships_of("users"))) == 3


def test_other_rules_join_tables_that_did_not_change(shop: Shop) -> None:
    shop.sql(USERS, "CREATE TABLE orders (id bigint, buyer bigint REFERENCES users)")
    shop.connect()
    shop.refresh()
    before = rows(shop)
    assert shop.joins() == []
    path = f"/api/v1/connections/{shop.id}"
    for wanted, joins in ((True, ["${orders.buyer} = ${users.id}"]), (False, [])):
        answer = shop.server.root.patch(path, json={"inferRelationshipsFromForeignKeys": wanted})
        assert answer.status_code == 200, answer.text
        assert shop.refresh()["changed"] == 0
        assert shop.joins() == joins
    assert rows(shop) == before  # what says the same was not written again
    shop.refresh()
    assert shop.jobs[-1].writes == 1


def test_a_connection_that_changes_while_it_is_read_is_read_again(
    small_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = small_shop
    shop.sql(USERS, "CREATE SCHEMA a", "CREATE TABLE a.t (id int)")
    shop.connect(includeSchemas="public")
    finish = refresh.Comparison.finish
    changed: list[int] = []

    def changing(self: Any) -> Any:
        if not changed:
            path = f"/api/v1/connections/{shop.id}"
            answer = shop.server.root.patch(path, json={"includeSchemas": "a"})
            changed.append(answer.status_code)
        return finish(self)

    monkeypatch.setattr(refresh.Comparison, "finish", changing)
    shop.refresh(hard_refresh=False)
    assert changed == [200]
    assert shop.views() == ["a__t"]  # by a hard one, whatever the first was asked to be


def test_the_first_table_of_an_empty_database_is_a_change(shop: Shop) -> None:
    shop.connect()
    shop.refresh()
    shop.sql(USERS)
    shop.refresh()
    assert shop.server.sql("SELECT change FROM catalog_changes") == [("table_added",)]


def test_names_that_collide_stay_with_whoever_has_them(shop: Shop) -> None:
    shop.sql('CREATE TABLE "Order Items" (a int)')
    shop.connect()
    shop.refresh()
    shop.sql("CREATE TABLE order_items (b int)")
    shop.refresh()
    assert shop.views() == ["order_items", "order_items_2"]
    assert shop.definition("order_items_2")["table_name"] == "order_items"
    shop.sql('DROP TABLE "Order Items"')
    shop.refresh()
    assert shop.views() == ["order_items_2"]


def test_another_way_of_naming_renames_every_view(shop: Shop) -> None:
    shop.sql(USERS, ORDERS)
    shop.connect()
    shop.refresh()
    answer = shop.server.root.patch(
        f"/api/v1/connections/{shop.id}", json={"alwaysScopeViewNames": True}
    )
    assert answer.status_code == 200, answer.text
    shop.refresh()
    scope = f"{shop.database}_public__"
    assert shop.views() == [f"{scope}orders", f"{scope}users"]
    assert shop.joins() == [f"${{{scope}orders.user_id}} = ${{{scope}users.id}}"]


def test_progress_is_told_by_schema(small_shop: Shop) -> None:
    small_shop.sql(USERS, "CREATE SCHEMA a", "CREATE TABLE a.t (id int)")
    small_shop.connect()
    small_shop.refresh()
    stages = small_shop.jobs[-1].stages
    assert stages[0] == ("reading the catalog", 0, 2)
    assert ("reading the catalog", 2, 2) in stages
    assert stages[-1][0] == "inferring relationships"


def rows(shop: Shop) -> dict[str, tuple[int, ...]]:
    """The ids of all rows of each view, whatever they are of."""
    found: dict[str, list[int]] = {}
    for statement in (
        "SELECT view, id FROM catalog_tables",
        "SELECT view, id FROM catalog_words",
        "SELECT from_view, id FROM catalog_relationships",
    ):
        for view, number in shop.server.sql(statement):
            found.setdefault(view, []).append(number)
    return {view: tuple(sorted(ids)) for view, ids in found.items()}


def test_what_a_killed_refresh_left_is_put_right(shop: Shop) -> None:
    shop.sql(USERS, ORDERS, "CREATE TABLE gone (id int)")
    shop.connect()
    shop.refresh()
    before, joins = shop.views(), shop.joins()
    shop.sql(
        "DROP TABLE gone",
        "ALTER TABLE users ADD email text",
        "CREATE TABLE lines (order_id bigint)",
    )

    class Killed(BaseException):
        pass

    def kill_at(number: int) -> Inline:
        job = Inline(shop.server.house, shop.id)

        def die(count: int) -> None:
            if count == number:
                raise Killed

        job.before_write = die
        return job

    seen = 0
    for number in range(1, 30):
        try:
            shop.refresh(kill_at(number))
        except Killed:
            flipped = shop.state().generation > 1
            assert shop.views() == (["lines", "orders", "users"] if flipped else before)
            assert ("email" in shop.definition("users")["dimensions"]) == flipped
            assert (len(shop.joins()) == 2) == flipped
            if not flipped:
                assert shop.joins() == joins
                assert shop.state().pending in (None, 2)
            seen += 1
        else:
            break
    assert seen > 5
    shop.refresh()
    assert shop.views() == ["lines", "orders", "users"]
    assert shop.state().pending is None
    # Nothing is left of what was written by halves.
    assert len(shop.server.sql("SELECT id FROM catalog_tables")) == 3
    changes = shop.server.sql('SELECT change, "table" FROM catalog_changes ORDER BY change')
    assert changes == [
        ("column_added", "users"),
        ("table_added", "lines"),
        ("table_removed", "gone"),
    ]
