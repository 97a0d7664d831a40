"""Fields that are nested on an array: what may go wrong, and who may ask for them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.semantics.compiler.errors import ErrorType, PlanError
from tests.semantics.compiler.support import MemoryLayer, ask, asking

GRANTS = {"access_grants": {"inner": {"user_attribute": "team", "allowed_values": ["a"]}}}


def layer(lines: dict[str, Any] | None = None, **fields: Any) -> MemoryLayer:
    dimensions = {
        "id": {"primary_key": True},
        "lines": lines or {},
        "price": {"nested_on_field": "lines", "type": "number"},
        "part": {"nested_on_field": "price"},
        **fields,
    }
    measures = {"total": {"sql": "${price}", "aggregate_type": "sum"}}
    views = {"orders": {"table_name": "o", "dimensions": dimensions, "measures": measures}}
    return MemoryLayer(views, the_settings=GRANTS)


def question(*fields: str, **more: Any) -> dict[str, Any]:
    return {"table": "orders", "fields": [f"orders.{name}" for name in fields], **more}


@pytest.mark.parametrize("field", ["price", "part"])
def test_elements_need_the_grants_of_their_array(field: str) -> None:
    guarded = layer({"required_access_grants": ["inner"]})
    with pytest.raises(PlanError) as caught:
        ask(guarded, question(field))
    assert caught.value.error_type is ErrorType.FORBIDDEN
    assert ask(guarded, question(field), asking(attributes={"team": ("a",)})).sql


def test_elements_are_masked_with_their_array() -> None:
    masked = layer({"mask_unless_access_grants": ["inner"]})
    assert "UNNEST" not in ask(masked, question("price")).sql
    assert "UNNEST" in ask(masked, question("price"), asking(attributes={"team": ("a",)})).sql
    price = {"orders.price": {"type": "number", "kind": "GREATER_THAN", "values": [1]}}
    with pytest.raises(PlanError, match="masked"):
        ask(masked, question("id", filters=price))


def test_parts_of_a_structure_are_masked_with_it() -> None:
    parts = {"place": {"mask_unless_access_grants": ["inner"]}}
    parts["place__n"] = {"sql": "place.n", "parent_field": "place"}
    assert "place" not in ask(layer(**parts), question("place__n")).sql
    parts["place"] = {"required_access_grants": ["inner"]}
    with pytest.raises(PlanError, match="not permitted"):
        ask(layer(**parts), question("place__n"))


def test_what_is_nested_in_itself() -> None:
    with pytest.raises(PlanError, match="nested in itself"):
        ask(layer(price={"nested_on_field": "price"}), question("price"))
    circle = layer({"nested_on_field": "part"})
    with pytest.raises(PlanError, match="nested in itself"):
        ask(circle, question("part"))


def test_an_array_that_is_not_there() -> None:
    with pytest.raises(PlanError, match="No such field"):
        ask(layer(price={"nested_on_field": "rows"}), question("price"))


def test_databases_without_a_way_say_so() -> None:
    with pytest.raises(PlanError, match="elements of an array"):
        ask(layer(), question("price"), asking("mysql"))


def test_a_measure_of_elements_joins_them() -> None:
    assert ask(layer(), question("total")).sql.count("UNNEST") == 1
