"""A compiler that remembers questions says what one says that has seen none before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.dialects.sql.functions import NotExpressible
from dragoman.semantics.compiler import memory
from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.compile import Compiler
from dragoman.semantics.compiler.conditions import Conditions, Operand
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.reads import Place, Reads, unread
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.settings import ModelSettings
from dragoman.semantics.query.request import Query, read_query
from tests.semantics.compiler.support import NOW, MemoryLayer, asking
from tests.semantics.compiler.test_oracle import layer_of, question, worlds
from tests.semantics.compiler.test_questions import JOINS, SETTINGS, TOPICS, TYPES, VIEWS

MORE_DIMENSIONS = {
    "of_team": {"sql": "case when ${status} = {{ omni_attributes.team }} then 1 end"},
    "chosen": {"sql": "{{ filters.orders.pick.value }}"},
    "above": {"sql": "{{# orders.fee.filter }} ${fee} {{/ orders.fee.filter }}"},
    "recent": {
        "sql": "${created_at}",
        "groups": [{"filter": {"time_for_duration": ["7 days ago", "7 days"]}, "name": "Recent"}],
        "else": "Older",
    },
}
MORE_MEASURES = {
    "this_month": {"aggregate_type": "count", "filters": {"created_at": {"is": "this month"}}},
    "before": {
        "aggregate_type": "count",
        "filters": {"created_at": {"date_offset_from_query": "1 month"}},
    },
    "first": {"sql": "${created_at}", "aggregate_type": "min"},
    "since_ever": {
        "aggregate_type": "count",
        "filters": {"created_at": {"cancel_query_filter": True}},
    },
}
ORDERS: dict[str, Any] = {
    **VIEWS["orders"],
    "dimensions": VIEWS["orders"]["dimensions"] | MORE_DIMENSIONS,
    "measures": VIEWS["orders"]["measures"] | MORE_MEASURES,
    "filters": {
        "pick": {"type": "column"},
        "fees": {"type": "number", "bind_to": ["orders.fee"]},
    },
}
ITEMS: dict[str, Any] = {
    **VIEWS["items"],
    "filters": {
        "since": {
            "type": "timestamp",
            "bind_to": ["orders.created_at"],
            "default_filter": {"on_or_after": "2 months ago"},
        },
    },
}
SPENDING = {
    "query": {
        "fields": {"orders.user_id": "user_id", "orders.total": "spent"},
        "base_view": "orders",
        "filters": {
            "orders.status": {"bind": "orders.status"},
            "orders.created_at": {"bind": "orders.created_at", "is": "last month"},
        },
    },
    "dimensions": {"user_id": {"primary_key": True}, "spent": {}},
    "measures": {"most": {"sql": "${spent}", "aggregate_type": "max"}},
}
OF_USERS = {
    "join_from_view": "orders",
    "join_to_view": "spending",
    "relationship_type": "many_to_one",
    "on_sql": "${orders.user_id} = ${spending.user_id}",
    "reversible": True,
}
MORE_TOPICS = {
    "lately": {
        "base_view": "orders",
        "joins": {"users": {}, "spending": {}},
        "week_start_day": "Sunday",
        "always_where_filters": {
            "orders.created_at": {"time_for_duration": ["9 weeks ago", "9 weeks"]}
        },
        "access_filters": [{"field": "users.city", "user_attribute": "city"}],
    },
}
MODEL = MemoryLayer(
    {**VIEWS, "orders": ORDERS, "items": ITEMS, "spending": SPENDING},
    [*JOINS, OF_USERS],
    {**TOPICS, **MORE_TOPICS},
    {
        **SETTINGS,
        "fiscal_month_offset": {"user_attribute": "offset"},
        "dynamic_schemas": {"own": {"from_schema": "main", "user_attribute": "schema"}},
    },
    {**TYPES, "spending": {"spent": "NUMBER"}},
)
FIELDS = [
    # What is in a list more than once is drawn more often.
    *("orders.status", "orders.created_at[month]", "orders.created_at[week]", "orders.kind"),
    *("orders.created_at[fiscal_quarter]", "orders.tier", "orders.of_user", "orders.top"),
    *("orders.of_team", "orders.chosen", "orders.above", "orders.recent", "orders.secret"),
    *("orders.masked", "users.city", "users.city", "orders.status", "no.such"),
    *("orders.count", "orders.total", "orders.paid", "orders.mean", "orders.raw_mean"),
    *("orders.mean_of_users", "orders.regardless", "orders.this_month", "orders.before"),
    *("orders.first", "spending.most", "orders.masked_total", "orders.count"),
]
TEXTS = [
    "",
    "a",
    "it's",
    "paid",
    "open",
    "ORDERS.FEE",
    "orders.fee",
    "1",
    "true",
    "last month",
]
NUMBERS = ["0", "0.0", "1", "1.0", "-3", "1e3"]
DAYS = ["2026-02", "2026-03-15", "yesterday", "last week", "this fiscal year", "now", "2 hours ago"]


def listed(choices: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(choices), max_size=3)


COMMON = {"is_negative": st.booleans()}
TEXT = st.fixed_dictionaries(
    {
        "type": st.just("string"),
        "kind": st.sampled_from(["EQUALS", "CONTAINS", "SQL_LIKE", "IS_EMPTY"]),
        "values": listed(TEXTS),
        "case_insensitive": st.booleans(),
        **COMMON,
    }
)
NUMBER = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("number"),
            "kind": st.just("EQUALS"),
            "values": listed(NUMBERS),
            **COMMON,
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("number"),
            "kind": st.sampled_from(["GREATER_THAN", "LESS_THAN"]),
            "values": st.sampled_from(NUMBERS).map(lambda number: [number]),
            "is_inclusive": st.booleans(),
            **COMMON,
        }
    ),
)
DATE = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("date"),
            "kind": st.sampled_from(["BETWEEN", "ON_OR_AFTER", "BEFORE", "TIME_FOR_UNIT_DURATION"]),
            "left_side": st.sampled_from(DAYS),
            "right_side": st.sampled_from(DAYS),
            **COMMON,
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("date"),
            "kind": st.sampled_from(["IS_ON_DAY_OF_WEEK", "IS_IN_MONTH_OF_YEAR"]),
            "values": st.lists(st.integers(1, 5), min_size=1, max_size=2),
            **COMMON,
        }
    ),
)
OTHER = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["null", "boolean"]), **COMMON}),
    st.just({"type": "user_attribute", "user_attribute_name": "team"}),
    st.just(
        {
            "type": "query",
            "field_name": "orders.status",
            "view_query": {
                "table": "orders",
                "fields": ["orders.status"],
                "filters": {
                    "orders.created_at": {
                        "type": "date",
                        "kind": "TIME_FOR_UNIT_DURATION",
                        "left_side": "today",
                    }
                },
            },
        }
    ),
)
PLAIN = st.one_of(TEXT, NUMBER, DATE, OTHER)
COMPOSITE = st.fixed_dictionaries(
    {
        "type": st.just("composite"),
        "conjunction": st.sampled_from(["AND", "OR"]),
        "filters": st.lists(PLAIN, min_size=1, max_size=2),
        **COMMON,
    }
)
FILTERED = {
    "orders.status": st.one_of(TEXT, COMPOSITE, OTHER),
    "orders.created_at": st.one_of(DATE, DATE, COMPOSITE),
    "orders.created_at[month]": DATE,
    "orders.fee": st.one_of(NUMBER, TEXT, OTHER),
    "orders.fees": NUMBER,
    "items.since": DATE,
    "orders.pick": TEXT,
    "orders.big": OTHER,
    "orders.total": NUMBER,
    "orders.count": NUMBER,
    "orders.first": DATE,
    "orders.masked": TEXT,
    "orders.top": TEXT,
    "users.city": TEXT,
    "spending.spent": NUMBER,
}
ROW_FILTERS = ["orders.status", "orders.created_at", "orders.fee", "users.city"]
EVERY = {"::total::": {"type": "aggregation"}}
TEAMS = st.sampled_from([("x",), ("y",), ("x", "y"), (1,), (True,), (1.0,)])
CITIES = st.sampled_from([("Berlin",), ("it's",), ("Berlin", "all"), (1,), (True,)])
SCHEMAS = st.sampled_from([("main",), ("main",), ("other",)])
OFFSETS = st.sampled_from([("0",), ("11",), (11,)])


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    """A question without the values of its filters: `filters` and `any_of` are names."""
    fields = draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4, unique=True))
    names = st.lists(st.sampled_from(sorted(FILTERED)), max_size=3, unique=True)
    rows = st.lists(st.sampled_from(ROW_FILTERS), max_size=2, unique=True)
    shape: dict[str, Any] = {
        "table": draw(st.sampled_from(["orders", "orders", "orders", "spending"])),
        "join_paths_from_topic_name": draw(
            st.sampled_from(["", "", "", "items", "by_city", "hidden", "lately", "lately"])
        ),
        "fields": fields,
        "filters": draw(names),
        "any_of": draw(st.one_of(st.just([]), rows)),
        "limit": draw(st.sampled_from([None, 10])),
    }
    if draw(st.booleans()):
        shape["column_totals"] = EVERY
    if draw(st.booleans()):
        shape["sorts"] = [{"column_name": draw(st.sampled_from(fields))}]
    if draw(st.integers(0, 3)) == 0 and shape["limit"]:
        shape["pivots"] = fields[:1]
    if draw(st.integers(0, 3)) == 0 and "orders.created_at" in shape["filters"]:
        shape["period_over_period_computations"] = [
            {
                "date_filter_field_name": "orders.created_at",
                "time_unit_name": "MONTH",
                "periods_ago": 1,
            }
        ]
    return shape


Talk = list[tuple[Query, Asking]]


def asked(shape: Mapping[str, Any], values: Mapping[str, Any], **more: Any) -> Query:
    """A question of a shape. `values`: a filter for each name."""
    any_of = {name: values[name] for name in shape.get("any_of", ())}
    controls = [{"type": "MULTI_FIELD_FILTER", "filters": any_of}] if any_of else []
    filters = {name: values[name] for name in shape.get("filters", ())}
    rest = {key: value for key, value in shape.items() if key != "any_of"}
    return read_query({**rest, "filters": filters, "controls": controls, **more})


@st.composite
def askers(draw: st.DrawFn) -> Asking:
    always = {"schema": SCHEMAS, "city": CITIES, "team": TEAMS}
    return asking(
        draw(st.sampled_from(["duckdb", "duckdb", "oracle", "mssql", "mysql"])),
        attributes=draw(st.fixed_dictionaries(always, optional={"offset": OFFSETS})),
        timezone=draw(ZONES),
        system_timezone=draw(st.sampled_from(["UTC", "UTC", "Europe/Berlin"])),
        unrestricted=draw(st.integers(0, 5)) == 0,
    )


ZONES = st.sampled_from([None, "UTC", "America/New_York", "Asia/Kathmandu"])
CHANGES = {
    "team": TEAMS,
    "city": CITIES,
    "schema": SCHEMAS,
    "offset": OFFSETS,
    "timezone": ZONES,
    "now": st.sampled_from([1, 24, 24 * 40]).map(lambda hours: NOW + timedelta(hours=hours)),
    "unrestricted": st.booleans(),
    "grants_apply": st.booleans(),
}


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """Questions of one shape, each of which differs from another one in one thing."""
    shape, by = draw(shapes()), draw(askers())
    used = sorted({*shape["filters"], *shape["any_of"]})
    values = {name: draw(FILTERED[name]) for name in used}
    talk = [(asked(shape, values), by)]
    for _ in range(draw(st.integers(1, 6))):
        some_values, some_asker = dict(values), by
        change = draw(st.sampled_from(["again", *used, *used, *CHANGES]))
        if change in FILTERED:
            some_values[change] = draw(FILTERED[change])
        elif change in ("team", "city", "schema", "offset"):
            some_asker = replace(by, attributes={**by.attributes, change: draw(CHANGES[change])})
        elif change in CHANGES:
            some_asker = replace(by, **{change: draw(CHANGES[change])})
        talk.append((asked(shape, some_values), some_asker))
    return talk


def said(compile: Any) -> Any:
    """What is compiled, or why not."""
    try:
        return compile()
    except PlanError as problem:
        return type(problem), str(problem), problem.fix, problem.error_type


def check(layer: MemoryLayer, talk: Talk) -> list[Any]:
    """Gives what was said."""
    model = ComposedModel([layer])
    compiler = Compiler(model)
    heard: list[Any] = []
    for query, by in talk:
        found = said(lambda query=query, by=by: compiler.compile(query, by))
        anew = said(lambda query=query, by=by: Compiler(model).question(query, by).compile())
        assert found == anew
        assert repr(found) == repr(anew)
        heard.append(found)
    return heard


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(talks())
def test_what_was_asked_before_changes_nothing(talk: Talk) -> None:
    check(MODEL, talk)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=5000, suppress_health_check=list(HealthCheck))
@given(talks())
def test_thousands_of_talks(talk: Talk) -> None:
    check(MODEL, talk)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(worlds(), st.lists(listed(["x", "y", ""]), min_size=2, max_size=3))
def test_random_models_say_the_same_again(world: dict[str, Any], values: list[list[str]]) -> None:
    questions: list[Query] = []
    for each in values:
        given = question(world)
        for filters in given["filters"].values():
            if filters["type"] == "string":
                filters["values"] = each
        questions.append(read_query(given))
    check(layer_of(world), [(each, asking()) for each in questions])


def text(*values: str) -> dict[str, Any]:
    return {"type": "string", "kind": "EQUALS", "values": list(values)}


def above(number: Any) -> dict[str, Any]:
    return {"type": "number", "kind": "GREATER_THAN", "values": [number]}


def on(words: str) -> dict[str, Any]:
    return {"type": "date", "kind": "TIME_FOR_UNIT_DURATION", "left_side": words}


def users_with(status: str) -> dict[str, Any]:
    filters = {"orders.status": text(status)}
    inner = {"table": "orders", "fields": ["orders.user_id"], "filters": filters}
    return {"type": "query", "field_name": "orders.user_id", "view_query": inner}


BY = asking(attributes={"schema": ("main",), "city": ("Berlin",), "team": ("x",)})
NEW_YORK = replace(BY, timezone="America/New_York")
TOKYO = replace(BY, timezone="UTC", system_timezone="Asia/Tokyo")
TOMORROW = replace(BY, now=NOW + timedelta(days=1))
IN_MAY = replace(BY, now=NOW + timedelta(days=60))
FREE = replace(BY, unrestricted=True)
LATELY = {"join_paths_from_topic_name": "lately"}
IN_CITY = {"join_paths_from_topic_name": "by_city"}
MONTH_AGO = {
    "date_filter_field_name": "orders.created_at",
    "time_unit_name": "MONTH",
    "periods_ago": 1,
}


def of(*without: str, **attributes: Any) -> Asking:
    """The asker with other attributes."""
    left = {name: values for name, values in BY.attributes.items() if name not in without}
    return replace(BY, attributes=left | attributes)


def talk_of(field: str, filters: Mapping[str, list[Any]], by: list[Asking], **more: Any) -> Talk:
    """The question with each of its filters' values, by each of the askers, and all again."""
    shape = {"table": "orders", "fields": [field, "orders.count"], "filters": list(filters), **more}
    given = [dict(zip(filters, each, strict=True)) for each in zip(*filters.values(), strict=True)]
    return [(asked(shape, values), each) for values in given or [{}] for each in by] * 2


DIFFERENCES = [
    # Attributes: in templates, grants, masks, rules on rows, names of schemas, the fiscal year.
    talk_of("orders.of_team", {}, [BY, of(team=("y",)), of("team")]),
    talk_of("orders.of_team", {}, [of(team=(1,)), of(team=(True,)), of(team=(1.0,))]),
    talk_of("orders.secret", {}, [BY, of(team=("y",))]),
    talk_of(
        "orders.secret", {}, [replace(of("team"), grants_apply=some) for some in (True, False)]
    ),
    talk_of("orders.masked", {}, [of(team=("y",)), BY, replace(of("team"), unrestricted=True)]),
    talk_of("orders.total", {}, [BY, of(city=("Oslo",)), of("city"), FREE], **IN_CITY),
    talk_of("orders.total", {}, [BY, of(city=("all",)), of(city=("Berlin", "Oslo"))], **IN_CITY),
    talk_of("orders.total", {}, [BY, of(schema=("other",)), of("schema")]),
    talk_of("orders.created_at[fiscal_year]", {}, [of(offset=(n,)) for n in ("1", "2", "x")]),
    # The clock and zones: in groups, measures, rules, defaults, frames.
    talk_of("orders.recent", {}, [BY, TOMORROW, NEW_YORK]),
    talk_of("orders.this_month", {}, [BY, IN_MAY]),
    talk_of("orders.total", {}, [BY, replace(BY, now=NOW + timedelta(days=9))], **LATELY),
    talk_of(
        "orders.total", {"orders.created_at": [on("FY2026"), on("FY2025")]}, [of(offset=("3",))]
    ),
    talk_of("orders.total", {"items.since": [on("today")]}, [BY, TOMORROW]),
    talk_of("items.count", {}, [BY, IN_MAY]),
    talk_of("orders.created_at[hour]", {}, [BY, NEW_YORK, TOKYO]),
    talk_of("orders.total", {"orders.created_at": [on("now"), on("today")]}, [BY, TOMORROW, TOKYO]),
    # Values: of every kind, none at all, read by templates, bound elsewhere, moved into measures.
    talk_of("orders.total", {"orders.status": [text("a"), text("b", ""), text()]}, [BY]),
    talk_of("orders.total", {"orders.fee": [above(1), above(1.5), {"type": "null"}]}, [BY]),
    talk_of("orders.total", {"orders.count": [above(1), above(2)]}, [BY], column_totals=EVERY),
    talk_of("orders.above", {"orders.fee": [above("1"), above("1.0"), above("2")]}, [BY]),
    talk_of("orders.chosen", {"orders.pick": [text("orders.fee"), text("orders.id")]}, [BY]),
    talk_of("orders.total", {"orders.fees": [above(1), above(2)]}, [BY]),
    talk_of("orders.regardless", {"orders.status": [text("a"), text("b")]}, [BY]),
    talk_of("orders.since_ever", {"orders.created_at": [on("today"), on("2026")]}, [BY, TOMORROW]),
    talk_of("orders.before", {"orders.created_at": [on("2026-01"), on("today")]}, [BY, IN_MAY]),
    talk_of("spending.most", {"orders.status": [text("a"), text("b")]}, [BY, NEW_YORK]),
    talk_of("spending.most", {"orders.created_at": [on("2026"), on("today")]}, [BY, TOKYO, IN_MAY]),
    talk_of("spending.most", {"orders.created_at": [on("last week"), on("today")]}, [BY], **LATELY),
    talk_of("orders.total", {"orders.created_at": [on("today"), on("last week")]}, [BY], **LATELY),
    talk_of("orders.total", {"orders.user_id": [users_with("a"), users_with("b")]}, [BY]),
    talk_of("orders.of_user", {"orders.fee": [above(1), above(2)]}, [BY, NEW_YORK]),
    talk_of(
        "orders.top", {"orders.status": [text("a"), text("b")]}, [BY], any_of=["orders.status"]
    ),
    talk_of(
        "orders.created_at[month]",
        {"orders.created_at": [on("last month"), on("2026-01")]},
        [BY, IN_MAY],
        period_over_period_computations=[MONTH_AGO],
    ),
    talk_of(
        "orders.total",
        {"orders.fee": [above(1), {**above(1), "ignore_if_unjoinable": True}]},
        [BY],
        join_paths_from_topic_name="paid",
    ),
]


@pytest.mark.parametrize("talk", DIFFERENCES)
def test_each_thing_that_may_differ(talk: Talk) -> None:
    heard = [repr(each) for each in check(MODEL, talk)]
    half = len(heard) // 2
    assert heard[:half] == heard[half:]
    assert len(set(heard)) > 1


def test_other_values_are_written_and_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Query] = []
    compiler = Compiler(ComposedModel([MODEL]))
    question_of = compiler.question

    def counted(query: Query, by: Asking) -> Any:
        made.append(query)
        return question_of(query, by)

    monkeypatch.setattr(compiler, "question", counted)
    values = {
        "orders.status": [text("a"), text("b", "c"), text("d")],
        "items.since": [on("today"), on("2026"), on("last month")],
        "orders.total": [above(1), above(2), above(3)],
    }
    askers = [BY, IN_MAY, of(team=("y",))]
    talk = talk_of("orders.of_user", values, askers, column_totals=EVERY)
    for query, by in talk:
        compiler.compile(query, by)
    assert len(made) == 1


def test_a_filter_on_a_time_that_has_no_reading_is_read() -> None:
    def unreadable() -> str:
        raise NotExpressible("the zone")

    query = asked({"fields": [], "filters": ["t.at"]}, {"t.at": on("2026")})
    reads = Reads()
    ((_, given),) = unread(reads.query(query).filters)
    whole = Operand("t.at", "at", DataType.TIMESTAMP, unreadable)
    month = Operand("t.at", "month", DataType.DATE, lambda: "month", whole=whole)
    conditions = Conditions(BY, BY.calendar(ModelSettings(), 0))
    text = conditions.of_filter(given, month)
    assert text is not None
    assert text.startswith("(at >= TIMESTAMP")
    assert reads.all() == (Place("t.at"),)


def test_the_least_used_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_KEPT", 2)
    kept = memory.Memory()
    compiler = Compiler(ComposedModel([MODEL]))
    first, second, third = (asked({"fields": [field]}, {}) for field in FIELDS[:3])
    for query in (first, second, first, third):
        if kept.find(query, BY) is None:
            reads = Reads()
            compiled = compiler.question(reads.query(query), reads.asker(BY)).compile()
            kept.keep(query, BY, reads, compiled)
    assert [kept.find(each, BY) is None for each in (first, second, third)] == [False, True, False]
