"""omni-python-sdk, the vendor's own: each of its operations that this server has."""

import contextlib
import io
import json
import sys
from typing import Any

from omni_python_sdk import OmniAPI

address, token, model, secret = sys.argv[1:]
found: dict[str, Any] = {"models": []}
talk = io.StringIO()
with contextlib.redirect_stdout(talk):  # it reports by printing
    for base in (address, f"{address}/api", f"{address}/api/v1", f"{address}/api/unstable"):
        client = OmniAPI(token, base)
        found["models"].append(client.list_models(name="Shop")["records"][0]["id"])
    query = {
        "modelId": model,
        "table": "orders",
        "join_paths_from_topic_name": "orders",
        "fields": ["customers.country", "orders.count"],
        "sorts": [{"column_name": "customers.country", "sort_descending": False}],
        "limit": 100,
    }
    table, fields = client.run_query_blocking({"query": query})
    found["rows"], found["fields"] = table.to_pylist(), fields
    wrong = client.run_query_blocking({"query": {**query, "table": "", "modelId": "no"}})
    found["wrong"] = wrong
    client.upsert_user("ada@example.com", "Ada", {"region": "[north,south]"})
    client.upsert_user("ada@example.com", "Ada L.", {"region": "[north]"})
    user = found["user"] = client.return_user_by_email("ada@example.com")
    client.add_user_to_group("Sales", user["id"])
    group = client.get_group_id("Sales")
    found["members"] = client.get_group(group)["members"]
    client.remove_user_from_group("Sales", user["id"])
    visitor = {"contentPath": "/d/a", "externalId": "9", "name": "Cy", "groups": '["Sales"]'}
    found["address"] = client.generate_embed_url({**visitor, "secret": secret}).json()["url"]
    found["left"] = client.get_group(group)["members"]
    connection = client.list_models(name="Shop")["records"][0]["connectionId"]
    second = client.create_model(connection, "Second")["model"]["id"]
    text = "base_view: orders\n"
    client.yamlw(second, {"fileName": "orders.topic", "yaml": text, "mode": "extension"})
    found["file"] = client.yamlr(second, {"fileName": "orders.topic"})["files"]["orders.topic"]
    found["deleted"] = client.delete_user("ada@example.com").status_code
    found["gone"] = client.return_user_by_email("ada@example.com")
found["said"] = talk.getvalue()
print(json.dumps(found, default=str))
