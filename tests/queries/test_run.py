"""Questions in fields over HTTP, on the sample data of DuckDB and a schema model made of it."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dragoman.queries import executions, xlsx
from tests.support.server import Server, running_server, settings_for

RUN = "/api/v1/query/run"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home: Path = tmp_path_factory.mktemp("home")
    with running_server(settings_for(home, build_schema_on_create="on")) as running:
        yield running


@pytest.fixture(scope="module")
def model(server: Server) -> str:
    """A shared model over the sample shop, with a topic that has rules on rows."""
    connection = server.create("duckdb", database=":memory:", queryTimezone="NONE")
    schema_model_is_there(server, connection)
    made = server.root.post(
        "/api/v1/models",
        json={"connectionId": connection, "modelKind": "SHARED", "modelName": "Shop"},
    ).json()
    model_id = made["model"]["id"]
    write(
        server,
        model_id,
        "orders.view",
        "measures:\n  open_orders:\n    aggregate_type: count\n    filters: {status: {is: open}}\n",
    )
    return model_id


def schema_model_is_there(server: Server, connection: str) -> None:
    for _ in range(300):
        listed = server.root.get(f"/api/v1/connections/{connection}/catalog")
        if listed.status_code == 200 and listed.json()["records"]:
            return
        time.sleep(0.1)
    raise AssertionError(f"no schema model: {listed.text}")


def write(server: Server, model_id: str, name: str, text: str) -> None:
    answer = server.root.post(
        f"/api/v1/models/{model_id}/yaml",
        json={"fileName": name, "yaml": text, "mode": "extension"},
    )
    assert answer.status_code == 200, answer.text


def ask(model_id: str, *fields: str, **more: Any) -> dict[str, Any]:
    outer = {name: more.pop(name) for name in ("resultType", "planOnly", "cache") if name in more}
    table = more.pop("table", "orders")
    return {"query": {"modelId": model_id, "table": table, "fields": list(fields), **more}, **outer}


def lines(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def rows(line: dict[str, Any]) -> list[dict[str, Any]]:
    assert line["status"] == "COMPLETE", line
    return pa.ipc.open_stream(base64.b64decode(line["result"])).read_all().to_pylist()


def test_the_stream_of_lines(server: Server, model: str) -> None:
    question = ask(model, "orders.status", "orders.count", "orders.open_orders")
    first, result, footer = lines(server.root.post(RUN, json=question))
    assert list(first["jobs_submitted"]) == [result["job_id"]]
    assert footer == {"remaining_job_ids": [], "timed_out": "false"}
    found = rows(result)
    assert list(found[0]) == ["orders.status", "orders.count", "orders.open_orders"]
    by_hand = sum(row["orders.count"] for row in found if row["orders.status"] == "open")
    assert sum(row["orders.open_orders"] for row in found) == by_hand
    summary = result["summary"]
    assert summary["fields"]["orders.count"]["data_type"] == "NUMBER"
    assert summary["fields"]["orders.status"]["is_dimension"] is True
    assert summary["total_rows"] == len(found) == result["cache_metadata"]["num_rows"]
    assert "GROUP BY" in summary["display_sql"]


def test_a_result_is_used_again_and_can_be_refused(server: Server, model: str) -> None:
    question = ask(model, "orders.count", "orders.status")
    assert not lines(server.root.post(RUN, json=question))[1]["cache_metadata"]["from_cache"]
    again = lines(server.root.post(RUN, json=question))[1]
    assert again["cache_metadata"]["from_cache"]
    fresh = lines(server.root.post(RUN, json={**question, "cache": "SkipCache"}))[1]
    assert not fresh["cache_metadata"]["from_cache"]
    assert rows(again)
    assert sorted(map(str, rows(again))) == sorted(map(str, rows(fresh)))


def test_an_answer_that_calculations_order_tells_whether_rows_are_left_out(
    server: Server, model: str
) -> None:
    tree = {"type": "field", "field_name": "orders.count"}
    question = ask(model, "orders.status", "orders.count", "again")
    question["query"] |= {
        "calculations": [{"calc_name": "again", "sql_expression": tree}],
        "sorts": [{"column_name": "again"}],
    }
    whole = lines(server.root.post(RUN, json=question))[1]
    assert whole["summary"]["truncated"] is False
    question["query"]["limit"] = len(rows(whole)) - 1
    for from_cache in (False, True):
        cut = lines(server.root.post(RUN, json=question))[1]
        assert cut["cache_metadata"]["from_cache"] is from_cache
        assert cut["summary"]["truncated"] is True
    question["query"]["limit"] += 1
    assert lines(server.root.post(RUN, json=question))[1]["summary"]["truncated"] is False


@pytest.mark.parametrize("more", [{}, {"row_totals": {"::total::": {}}}])
def test_a_pivot_tells_whether_rows_are_left_out(
    server: Server, model: str, more: dict[str, Any]
) -> None:
    pivot = {"pivots": ["orders.status"], **more}
    question = ask(
        model, "orders.customer_id", "orders.status", "orders.count", limit=1000, **pivot
    )
    cells = rows(lines(server.root.post(RUN, json=question))[1])
    users = {cell["orders.customer_id"] for cell in cells}
    assert len(users) < len(cells)
    for limit, truncated in ((len(users) + 1, False), (len(users) - 1, True)):
        question["query"]["limit"] = limit
        told = lines(server.root.post(RUN, json=question))[1]["summary"]["truncated"]
        assert told is truncated


@pytest.mark.parametrize("kind", ["csv", "json", "xlsx"])
def test_one_document(server: Server, model: str, kind: str) -> None:
    question = ask(model, "orders.status", "orders.count", resultType=kind)
    question["query"]["sorts"] = [{"column_name": "orders.status"}]
    answer = server.root.post(RUN, json=question)
    assert answer.status_code == 200, answer.text
    if kind == "csv":
        assert answer.text.splitlines()[0] == '"orders.status","orders.count"'
    elif kind == "json":
        assert set(answer.json()[0]) == {"orders.status", "orders.count"}
    else:
        with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
            sheet = book.read("xl/worksheets/sheet1.xml")
        assert b"orders.status" in sheet
        assert b"<f>" not in sheet


def test_values_are_written_in_their_formats_where_that_is_asked_for(
    server: Server, model: str
) -> None:
    text = (
        "base_view: orders\nviews: {orders: {measures: {dollars: "
        "{aggregate_type: sum, sql: '1000', format: usdcurrency_2}}}}"
    )
    write(server, model, "formatted.topic", text)
    question = ask(model, "orders.dollars", join_paths_from_topic_name="formatted")
    plain = server.root.post(RUN, json={**question, "resultType": "json"}).json()
    shown = {**question, "resultType": "json", "formatResults": True}
    assert server.root.post(RUN, json=shown).json() == [
        {"Dollars": f"${plain[0]['orders.dollars']:,}.00"}
    ]


def test_a_pivot_has_every_cell_of_its_rows(server: Server, model: str) -> None:
    fields = ("orders.status", "orders.customer_id", "orders.count")
    question = ask(model, *fields, pivots=fields[1:2], limit=2, column_limit=1000)
    found = rows(lines(server.root.post(RUN, json=question))[1])
    assert len({row["orders.status"] for row in found}) == 2
    assert len(found) > 2
    every = rows(lines(server.root.post(RUN, json=ask(model, *fields, limit=None)))[1])
    shown = {row["orders.status"] for row in found}
    assert len(found) == sum(row["orders.status"] in shown for row in every)


def test_what_breaks_inside_is_told_in_the_stream(
    server: Server, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise ValueError("secret of the inside")

    monkeypatch.setattr(executions, "spool", breaks)
    question = ask(model, "orders.status", cache="SkipCache")
    _, told, footer = lines(server.root.post(RUN, json=question))
    assert (told["status"], told["error_type"]) == ("FAILED", "INTERNAL")
    assert "secret" not in told["error_message"]
    assert footer == {"remaining_job_ids": [], "timed_out": "false"}


def test_a_spreadsheet_writes_what_no_cell_holds_as_csv_does(tmp_path: Path) -> None:
    columns = {
        "wait": pa.array([pa.MonthDayNano([0, 1, 1_000_000_000])]),
        "tags": pa.array([["a", None]]),
    }
    rows = pa.table(columns)
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file,
        pa.ipc.new_stream(file, rows.schema) as out,
    ):
        out.write_table(rows)
    xlsx.write(tmp_path / "a.arrow", tmp_path / "a.xlsx", [])
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "P1DT1S" in sheet
    assert "[&quot;a&quot;,null]" in sheet or '["a",null]' in sheet


def test_raw_arrow(server: Server, model: str) -> None:
    answer = server.root.post(
        RUN,
        json=ask(model, "orders.status", "orders.count"),
        headers={"Accept": "application/vnd.apache.arrow.stream"},
    )
    assert answer.status_code == 200, answer.text
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.schema.names == ["orders.status", "orders.count"]


def test_a_plan_runs_nothing(server: Server, model: str) -> None:
    _, line, _ = lines(server.root.post(RUN, json=ask(model, "orders.count", planOnly=True)))
    assert line["status"] == "PLANNED"
    assert "COUNT(*)" in line["summary"]["sql"]
    assert "scan orders" in line["summary"]["plan"]


def test_what_cannot_be_compiled_is_told_in_the_stream(server: Server, model: str) -> None:
    _, line, _ = lines(server.root.post(RUN, json=ask(model, "ordrs.count", table="ordrs")))
    assert (line["status"], line["error_type"]) == ("FAILED", "PLAN")
    assert 'No such view "ordrs"' in line["error_message"]
    refused = server.root.post(RUN, json=ask(model, "ordrs.count", resultType="csv"))
    assert refused.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": {"fields": ["orders.count"]}},
        {"query": {"modelId": "no", "fields": ["orders.count"]}},
        {"query": {"modelId": "0" * 32, "fields": ["a"]}, "cache": "sometimes"},
        {"query": {"modelId": "0" * 32, "fields": ["a"]}, "formatResults": True},
        {"query": {"modelId": "0" * 32, "fields": ["a"], "filters": {"a.b": 1}}},
        {"query": {"modelId": "0" * 32, "fields": ["a"]}, "planOnly": True, "resultType": "csv"},
    ],
)
def test_bad_requests(server: Server, body: dict[str, Any]) -> None:
    assert server.root.post(RUN, json=body).status_code == 400


def test_jobs_of_others_are_not_there(server: Server, model: str) -> None:
    question = ask(model, "orders.count")
    job = lines(server.root.post(RUN, json=question))[1]["job_id"]
    waiting = "/api/v1/query/wait"
    assert server.root.get(waiting, params={"job_ids": json.dumps([job])}).status_code == 404
    assert server.root.get(waiting).status_code == 400
    assert server.root.get(waiting, params={"job_ids": "[1]"}).status_code == 400


def test_who_may_ask(server: Server, model: str) -> None:
    connection = server.root.get("/api/v1/models", params={"modelId": model}).json()["records"][0][
        "connectionId"
    ]
    question = ask(model, "orders.count")
    viewer = server.member("viewer@example.com", **{connection: "VIEWER"})
    restricted = server.member("restricted@example.com", **{connection: "QUERY_TOPICS"})
    querier = server.member("querier@example.com", **{connection: "QUERIER"})
    stranger = server.member("stranger@example.com")
    assert stranger.post(RUN, json=question).status_code == 404
    assert viewer.post(RUN, json=question).status_code == 403
    assert restricted.post(RUN, json=question).status_code == 403
    assert lines(querier.post(RUN, json=question))[1]["status"] == "COMPLETE"
    write(server, model, "orders.topic", "base_view: orders\njoins: {}\n")
    in_topic = ask(model, "orders.count", join_paths_from_topic_name="orders")
    assert lines(restricted.post(RUN, json=in_topic))[1]["status"] == "COMPLETE"


def test_who_may_not_write_sql_sees_none(server: Server, model: str) -> None:
    connection = server.root.get("/api/v1/models", params={"modelId": model}).json()["records"][0][
        "connectionId"
    ]
    write(server, model, "orders.view", "dimensions: {no: {sql: CAST(status AS INTEGER)}}\n")
    write(server, model, "orders.topic", "base_view: orders\njoins: {}\n")
    restricted = server.member("sightless@example.com", **{connection: "QUERY_TOPICS"})
    querier = server.member("sighted@example.com", **{connection: "QUERIER"})
    for name in ("orders.count", "orders.no"):
        for more in ({}, {"planOnly": True}, {"resultType": "csv"}):
            asked = ask(model, name, join_paths_from_topic_name="orders", **more)
            shown, hidden = (
                querier.post(RUN, json=asked).text,
                restricted.post(RUN, json=asked).text,
            )
            if "resultType" not in more and (name == "orders.count" or more):
                assert "SELECT" in shown
            assert "SELECT" not in hidden
            assert "CAST" not in hidden
            if name == "orders.no" and "planOnly" not in more:
                assert "only visible to users with permission to view SQL" in hidden
                assert "only visible" not in shown


def test_rows_that_an_attribute_allows_also_from_the_cache(server: Server, model: str) -> None:
    connection = server.root.get("/api/v1/models", params={"modelId": model}).json()["records"][0][
        "connectionId"
    ]
    write(
        server,
        model,
        "mine.topic",
        "base_view: orders\njoins: {}\naccess_filters:\n"
        "  - {field: orders.status, user_attribute: status}\n",
    )
    question = ask(model, "orders.count", join_paths_from_topic_name="mine")
    counts = {}
    for status in ("open", "paid"):
        client = server.member(f"{status}@example.com", **{connection: "QUERY_TOPICS"})
        _, refused, _ = lines(client.post(RUN, json=question))
        assert refused["error_type"] == "FORBIDDEN"
        with server.unit() as unit:
            from dragoman.access.principal import OPERATOR
            from dragoman.identity import service as identity

            user = identity.get_user(unit, f"{status}@example.com")
            identity.set_attribute(unit, OPERATOR, user.id, "status", [status])
        for _ in range(2):
            counts[status] = rows(lines(client.post(RUN, json=question))[1])[0]["orders.count"]
    everything = rows(
        lines(server.root.post(RUN, json=ask(model, "orders.status", "orders.count")))[1]
    )
    wanted = {row["orders.status"]: row["orders.count"] for row in everything}
    assert counts == {status: wanted.get(status, 0) for status in counts}
    querier = server.member("sql@example.com", **{connection: "QUERIER"})
    for by_hand in (
        ask(model, "orders.count"),
        {"query": {"modelId": model, "fields": [], "userEditedSQL": "SELECT 1"}},
    ):
        assert lines(querier.post(RUN, json=by_hand))[1]["error_type"] == "FORBIDDEN"
    # Nor by the connection itself, which no model stands before.
    place = f"/api/v1/connections/{connection}"
    probe = {"join_from_view": "orders", "join_to_view": "orders", "on_sql": "x"}
    for path, sent in (("query", {"sql": "SELECT 1 AS x"}), ("relationship-probe", probe)):
        refused = querier.post(f"{place}/{path}", json=sent)
        assert (refused.status_code, "rules on rows" in refused.text) == (403, True)
    # Nor on a branch, where they could write the rules away.
    branch = {"connectionId": connection, "baseModelId": model, "modelKind": "BRANCH"}
    made = querier.post("/api/v1/models", json={**branch, "modelName": "away"}).json()["model"][
        "id"
    ]
    without = {"fileName": "mine.topic", "yaml": "base_view: orders\n", "branchId": made}
    assert querier.post(f"/api/v1/models/{model}/yaml", json=without).status_code == 200
    raw = {"query": {"modelId": model, "fields": [], "userEditedSQL": "SELECT 1"}}
    modeler = server.member("modeler@example.com", **{connection: "MODELER"})
    for sent in (question, ask(model, "orders.count"), raw):
        on_branch = {**sent, "branchId": made}
        assert lines(querier.post(RUN, json=on_branch))[1]["error_type"] == "FORBIDDEN"
        assert lines(modeler.post(RUN, json=on_branch))[1]["status"] == "COMPLETE"
    values = f"/api/v1/models/{model}/topic/mine/values?field=orders.status&branchId={made}"
    assert (querier.get(values).status_code, modeler.get(values).status_code) == (403, 200)
    assert modeler.post(f"{place}/query", json={"sql": "SELECT 1 AS x"}).status_code == 200


def test_sql_by_hand_with_references_obeys_the_rules_of_its_topic(
    server: Server, model: str
) -> None:
    connection = server.root.get("/api/v1/models", params={"modelId": model}).json()["records"][0][
        "connectionId"
    ]
    only_paid = "always_where_filters:\n  orders.status: {is: shipped}\n"
    write(server, model, "paid.topic", f"base_view: orders\njoins: {{}}\n{only_paid}")
    querier = server.member("omnisql@example.com", **{connection: "QUERIER"})
    restricted = server.member("topics@example.com", **{connection: "QUERY_TOPICS"})
    sql = "SELECT ${orders.status} AS s, count(*) AS n FROM ${paid} WHERE 1 = 1 OR 1 = 1 GROUP BY 1"
    question = by_hand(model, sql)
    _, answer, *_ = lines(querier.post(RUN, json=question))
    assert [row["orders.status"] for row in rows(answer)] == ["shipped"]
    assert restricted.post(RUN, json=question).status_code == 403
    # As plain SQL it is refused, with and without references, since a topic shows a part only.
    for raw in (
        by_hand(model, "SELECT count(*) FROM orders"),
        by_hand(model, sql, rewriteSql=False),
        by_hand(model, f"-- DO NOT PARSE\n{sql}"),
        by_hand(model, "SELECT ${orders.id} FROM ${paid} WHERE getenv('HOME') = ''"),
    ):
        assert lines(querier.post(RUN, json=raw))[1]["status"] != "COMPLETE"
    refused = lines(querier.post(RUN, json=by_hand(model, "SELECT 1")))[1]
    assert refused["error_type"] == "FORBIDDEN"


def test_rows_of_sql_by_hand_are_sorted_where_that_is_asked_for(server: Server, model: str) -> None:
    sorts = [{"column_name": "x", "sort_descending": True}]
    sql = "SELECT * FROM (VALUES (1), (NULL), (3)) t(x)"
    for enabled, wanted in ((False, [1, None, 3]), (True, [3, 1, None])):
        question = by_hand(model, sql, sorts=sorts, sqlSortsEnabled=enabled)
        _, answer, *_ = lines(server.root.post(RUN, json=question))
        assert [row["x"] for row in rows(answer)] == wanted


def by_hand(model_id: str, sql: str, **more: Any) -> dict[str, Any]:
    return {"query": {"modelId": model_id, "fields": [], "userEditedSQL": sql, **more}}


def test_new_value_of_an_attribute_counts_for_the_next_question(server: Server, model: str) -> None:
    """Answers that were kept are those of the former value."""
    connection = server.root.get("/api/v1/models", params={"modelId": model}).json()["records"][0][
        "connectionId"
    ]
    write(
        server,
        model,
        "theirs.topic",
        "base_view: orders\njoins: {}\naccess_filters:\n"
        "  - {field: orders.status, user_attribute: order_status}\n",
    )
    everything = lines(server.root.post(RUN, json=ask(model, "orders.status")))[1]
    first, second, *_ = sorted(row["orders.status"] for row in rows(everything))
    question = ask(model, "orders.status", join_paths_from_topic_name="theirs")
    made = server.root.post(
        "/api/v1/user-attributes", json={"name": "order_status", "default_value": first}
    )
    assert made.status_code == 201
    member = server.member("theirs@example.com", **{connection: "QUERY_TOPICS"})
    found = server.root.get("/api/scim/v2/Users", params={"filter": 'userName sw "theirs"'})
    user = f"/api/scim/v2/Users/{found.json()['Resources'][0]['id']}"
    path = "urn:omni:params:1.0:UserAttribute:order_status"

    def seen() -> tuple[set[str], bool]:
        _, answer, _ = lines(member.post(RUN, json=question))
        return {r["orders.status"] for r in rows(answer)}, answer["cache_metadata"]["from_cache"]

    assert seen() == ({first}, False)
    assert seen() == ({first}, True)
    other = {"Operations": [{"op": "Replace", "path": path, "value": second}]}
    assert server.root.patch(user, json=other).status_code == 200
    assert seen() == ({second}, False)
    back = {"Operations": [{"op": "Remove", "path": path}]}
    assert server.root.patch(user, json=back).status_code == 200
    assert seen() == ({first}, True)
    group = {"displayName": "Second", "members": [{"value": user.rsplit("/", 1)[1]}]}
    group["urn:omni:params:1.0:UserAttribute"] = {"order_status": second}
    assert server.root.post("/api/scim/v2/Groups", json=group).status_code == 201
    assert seen() == ({second}, True)
