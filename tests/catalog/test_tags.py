"""Tags of a database: stored, in the views, and in the changes."""

from __future__ import annotations

from typing import Any

from dragoman.catalog import rows
from dragoman.dialects.tags import Tags
from tests.catalog.conftest import Shop
from tests.dialects.test_tags import table


def fed(shop: Shop, *tags: tuple[str, str, str | None, str, str]) -> Any:
    made = [table("SALES", "ORDERS", "ID", "EMAIL"), table("SALES", "LINES", "ID")]
    found = Tags(tags)
    shop.feed([found.put_on(each) for each in made])
    return shop.state().generation


def test_tags_become_tags_and_their_changes_are_told(small_shop: Shop) -> None:
    shop = small_shop
    shop.connect()
    pii = ("SALES", "ORDERS", "EMAIL", "PII", "email")
    assert fed(shop, pii) == 1
    [view] = [name for name in shop.views() if name.endswith("orders")]
    assert "tags" not in shop.definition(view)
    assert shop.definition(view)["dimensions"]["email"]["tags"] == ["PII:email"]
    assert "tags" not in shop.definition(view)["dimensions"]["id"]
    assert fed(shop, pii) == 1
    gold = ("SALES", "ORDERS", None, "GOLD", "")
    assert fed(shop, gold, ("SALES", "ORDERS", "EMAIL", "PII", "mail")) == 2
    assert shop.definition(view)["tags"] == ["GOLD"]
    records = shop.server.root.get(f"/api/v1/connections/{shop.id}/changes").json()["records"]
    assert {(e["change"], e["column"], e["before"], e["after"]) for e in records} == {
        ("tags_changed", "EMAIL", "PII:email", "PII:mail"),
        ("tags_changed", None, None, "GOLD"),
    }
    path = f"/api/v1/connections/{shop.id}/catalog"
    [orders] = shop.server.root.get(path, params={"name": "ORDERS", "columns": True}).json()[
        "records"
    ]
    assert orders["tags"] == ["GOLD"]
    assert [each["tags"] for each in orders["columns"]] == [[], ["PII:mail"]]


def test_a_table_without_tags_is_stored_as_before_there_were_any() -> None:
    """So that no table is written anew for them."""
    bare = table("SALES", "ORDERS", "ID")
    assert rows.content(bare).count(b"[") == rows.content(bare).count(b"]") == 6
    tagged = Tags([("SALES", "ORDERS", "ID", "KEY", "")]).put_on(table("SALES", "ORDERS", "ID"))
    assert rows.table_of(rows.identity(bare), "table", rows.content(bare).decode()) == bare
    assert rows.table_of(rows.identity(tagged), "table", rows.content(tagged).decode()) == tagged
