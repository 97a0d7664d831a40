"""Clients that others wrote, unchanged, against a server process over a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients.conftest import SECRET, Shop

COUNTRIES = ["Brazil", "France", "Germany", "Italy", "Japan", "Spain"]


@pytest.fixture(scope="module")
def counts(shop: Shop) -> dict[str, int]:
    """Orders by country, by SQL."""
    return dict(_rows(shop, "SELECT c.country, count(*) AS n"))


def _rows(shop: Shop, select: str) -> list[tuple[Any, ...]]:
    sql = f"{select} FROM orders o JOIN customers c USING (customer_id) GROUP BY 1 ORDER BY 1"
    path = f"/api/v1/connections/{shop.connection}/query"
    answer = shop.server.root.post(path, json={"sql": sql}, headers={"Accept": "application/json"})
    return [tuple(row.values()) for row in answer.json()]


def test_the_vendors_sdk(
    shop: Shop, run_client: Callable[..., Any], counts: dict[str, int]
) -> None:
    root = shop.server.root
    wanted = {"name": "region", "label": "Region", "multiple_values": True}
    assert root.post("/api/v1/user-attributes", json=wanted).status_code == 201
    assert root.post("/api/scim/v2/Groups", json={"displayName": "Sales"}).status_code == 201
    found = run_client("python_sdk.py", shop, SECRET)
    assert found["models"] == [shop.model] * 4
    assert {r["customers.country"]: r["orders.count"] for r in found["rows"]} == counts
    assert found["fields"]["orders.count"]["label"] == "Orders Count"
    assert found["wrong"] is None
    assert found["user"]["displayName"] == "Ada L."
    assert found["user"]["urn:omni:params:1.0:UserAttribute"] == {"region": ["north"]}
    assert [each["value"] for each in found["members"]] == [found["user"]["id"]]
    assert found["left"] == []
    assert "base_view: orders" in found["file"]
    address = urlsplit(found["address"])  # it has the server's public name
    own = {"Sec-Fetch-Site": "cross-site"}
    visit = shop.server.anonymous.get(f"{address.path}?{address.query}", headers=own)
    assert (visit.status_code, visit.headers["Location"]) == (303, "/d/a")
    assert (found["deleted"], found["gone"]) == (204, None)


def test_the_vendors_data_frames(
    shop: Shop, run_client: Callable[..., Any], counts: dict[str, int]
) -> None:
    found = run_client("frames.py", shop)
    assert found["who"]["keyScope"] == "organization"
    assert "QUERY_SQL" in found["who"]["rolesByModel"][shop.model]["permissions"]
    assert found["topics"] == [["orders", "orders", "Orders"]]
    assert found["views"] == ["orders", "customers"]
    assert found["joins"] == [["orders", "customers", "ALWAYS_LEFT", "ASSUMED_MANY_TO_ONE"]]
    rows = [{"customers.country": country, "n": counts[country]} for country in COUNTRIES]
    assert found["fields"] == rows
    assert [name for name, _ in found["schema"]] == ["customers.country", "n"]
    assert found["having"] == [row for row in rows if row["n"] > 170] != rows
    assert [m["orders.ordered_at[month]"] for m in found["months"]] == [
        "2024-01-01",
        "2024-02-01",
        "2024-03-01",
    ]
    *groups, total = found["totals"]
    assert sorted(row["n"] for row in groups) == sorted(counts.values())
    assert (total["row_type"], total["n"]) == ("total", sum(counts.values()))
    distinct = dict(_rows(shop, "SELECT c.country, count(DISTINCT o.customer_id) AS n"))
    assert found["mixed"] == [{**row, "who": distinct[row["customers.country"]]} for row in rows]
    assert "tier 2" in found["plan"]
    japan = _rows(shop, "SELECT c.country, count(*) FILTER (o.status = 'cancelled') AS n")
    elsewhere = sum(n for country, n in japan if country != "Japan")
    assert found["either"] == counts["Japan"] + elsewhere
    assert found["hand"] == [{"n": sum(counts.values())}]
    assert found["view"] == 3
    assert "orders.nothing" in found["missing"]
