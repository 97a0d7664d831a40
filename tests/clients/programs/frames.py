"""omniframes, the vendor's data frames: questions in fields, SQL with references, SQL by hand."""

import json
import sys
import warnings
from datetime import date
from typing import Any

import omniframes
from omniframes import functions as F  # noqa: N812 - as its own pages write it

address, token, model = sys.argv[1:]
warnings.simplefilter("ignore")
found: dict[str, Any] = {}
session = omniframes.OmniSession.builder.base_url(address).api_key(token).get_or_create()
found["who"] = session.verify()
found["topics"] = [(t.name, t.base_view_name, t.label) for t in session.catalog.topics("Shop")]
topic = session.catalog.topic("Shop", "orders")
found["views"] = [view.name for view in topic.views]
found["joins"] = [
    (one.left_view_name, one.right_view_name, one.join_type, one.relationship_type)
    for one in topic.relationships
]
orders = session.read.topic("Shop", "orders")
month = F.col("orders.ordered_at").grain("month")
grouped = orders.group_by("customers.country").agg(F.measure("orders.count").alias("n"))
first = F.col("orders.ordered_at").between(date(2024, 1, 1), date(2024, 4, 1))
found["fields"] = grouped.sort("customers.country").collect().to_pylist()
found["schema"] = [(f.name, str(f.data_type)) for f in grouped.schema]
found["having"] = grouped.filter(F.measure("orders.count") > 170).collect().to_pylist()
by_month = orders.filter(first).group_by(month).agg(F.measure("orders.count")).sort(month)
found["months"] = by_month.collect().to_pylist()
found["totals"] = grouped.with_totals().collect().to_pylist()
mixed = orders.group_by("customers.country").agg(
    F.measure("orders.count").alias("n"), F.count_distinct("orders.customer_id").alias("who")
)
found["mixed"] = mixed.sort("customers.country").collect().to_pylist()
found["plan"] = mixed.explain()
either = orders.select("orders.order_id", "orders.status", "customers.country").filter(
    (F.col("orders.status") == "cancelled") | (F.col("customers.country") == "Japan")
)
found["either"] = either.collect().num_rows
found["hand"] = session.read.sql("Shop", "SELECT count(*) AS n FROM orders").collect().to_pylist()
found["view"] = (
    session.read.view("Shop", "customers").select("customers.segment").collect().num_rows
)
try:
    orders.select("orders.nothing").collect()
except omniframes.OmniframesError as error:
    found["missing"] = str(error)
print(json.dumps(found, default=str))
