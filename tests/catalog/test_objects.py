"""Semantic objects of a database in the SCHEMA layer."""

from __future__ import annotations

from dragoman.catalog import objects
from dragoman.catalog.staging import Staging
from dragoman.semantics.inference.semantic_objects import Meaning, meaning
from tests.catalog.conftest import Inline, Shop
from tests.dialects.test_semantic_objects import read
from tests.semantics.inference.test_semantic_objects import SNOWFLAKE


def replace(shop: Shop, *meanings: Meaning) -> int:
    job = Inline(shop.server.house, shop.id)
    staging = Staging(job, shop.id, shop.state().generation)
    differing = objects.replace(job, staging, meanings)
    if differing:
        staging.flip(tables=1, columns=1)
        staging.tidy()
    return differing


def test_objects_stand_beside_tables_and_go_again(shop: Shop) -> None:
    shop.sql("CREATE TABLE users (id int)")
    shop.connect()
    shop.refresh()
    made = meaning(read()[0], SNOWFLAKE, topics=True)
    assert replace(shop, made) == 3 + 2 + 1
    names = [f"sales__tpch_revenue__{name}" for name in ("customers", "line_items", "orders")]
    assert shop.views() == [*names, "users"]
    assert shop.layer(lambda layer: layer.view(names[2])) == made.views[2]
    assert sorted(view.name for view in shop.layer(lambda layer: list(layer.views()))) == [
        *names,
        "users",
    ]
    assert shop.layer(lambda layer: layer.topic_names()) == ["sales__tpch_revenue"]
    assert shop.layer(lambda layer: layer.topic("sales__tpch_revenue")) == made.topic
    assert shop.layer(lambda layer: layer.topic("other")) is None
    assert len(shop.layer(lambda layer: layer.relationships())) == 2
    assert len(shop.layer(lambda layer: layer.relationships_of(names[0]))) == 1
    assert replace(shop, made) == 0
    assert replace(shop) == 6
    assert shop.views() == ["users"]
    assert shop.layer(lambda layer: list(layer.topics())) == []
