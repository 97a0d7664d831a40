"""Calculations that look at other rows, as spreadsheets do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.semantics.answers.assembling import TRUNCATED
from dragoman.semantics.answers.calculations import Calculator
from dragoman.semantics.answers.lookups import ROW_NUMBER
from dragoman.semantics.answers.lookups import ROWS as NUMBERED
from dragoman.semantics.answers.operators import Frame
from dragoman.semantics.compiler.errors import PlanError
from tests.semantics.compiler.test_questions import (
    answered,
    assembled,
    call,
    database,
    field,
    literal,
)

__all__ = ["database"]
PIVOT = ["orders.user_id", "orders.status", "orders.total", "half"]
TOTAL, STATUS = field("orders.total"), field("orders.status")
# Sorted by their totals: no status 5, paid 17, open 30.
ROWS: dict[str, Any] = {
    "table": "orders",
    "fields": ["orders.status", "orders.total", "orders.count"],
    "sorts": [{"column_name": "orders.total"}],
}


def offset(column: Any, *numbers: Any) -> dict[str, Any]:
    given = [literal(each) if isinstance(each, int) else each for each in numbers]
    return call("Omni.OMNI_OFFSET_MULTI", column, *given)


def whole(column: Any) -> dict[str, Any]:
    return offset(column, -536870911, 0, 1073741823, 1)


def fx(name: str, *operands: Any) -> dict[str, Any]:
    return call(f"Omni.OMNI_FX_{name}", *operands)


def worked_out(database: Any, tree: Any, swallow: bool = False, **more: Any) -> list[Any]:
    question = {**ROWS, **more}
    made = {"calc_name": "c", "sql_expression": tree, "swallow_errors": swallow}
    made["outside_pivot"] = question.pop("outside", False)
    question |= {"fields": [*question["fields"], "c"], "calculations": [made]}
    return [row["c"] for row in answered(database, question)]


FIRST = call("Omni.ABSOLUTE_POSITION", literal(1))


OPEN = (whole(STATUS), literal("<>paid"))


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        # A window has as many rows as it says, from its first on.
        (fx("SUM", offset(TOTAL, -1, 0, 2, 1)), [5, 22, 47]),
        (fx("SUM", offset(TOTAL, -1, 0, 1, 1)), [None, 5, 17]),
        (offset(TOTAL, 1, 0, 1, 1), [17, 30, None]),
        (fx("SUM", offset(TOTAL, 1, 0, 2, 1)), [47, 30, None]),
        (fx("SUM", offset(TOTAL, FIRST, 0, 1, 1)), [5, 22, 52]),
        (fx("SUM", whole(TOTAL)), [52, 52, 52]),
        (fx("VLOOKUP", literal("paid"), STATUS, whole(STATUS), literal(2)), [17] * 3),
        (fx("VLOOKUP", STATUS, STATUS, whole(STATUS), literal(3)), [None, 2, 1]),
        (fx("VLOOKUP", literal("none"), STATUS, whole(STATUS), literal(2)), [None] * 3),
        (fx("XLOOKUP", literal(17), TOTAL, STATUS), ["paid"] * 3),
        (fx("XLOOKUP", literal(1), whole(TOTAL), whole(STATUS), literal("?")), ["?"] * 3),
        # A row that is there and has no value is no row that is missing.
        (fx("XLOOKUP", literal(5), TOTAL, STATUS, literal("?")), [None] * 3),
        (fx("XLOOKUP", literal(20), TOTAL, STATUS, literal("?"), literal(-1)), ["paid"] * 3),
        (fx("XLOOKUP", literal(20), TOTAL, STATUS, literal("?"), literal(1)), ["open"] * 3),
        (fx("MATCH", literal("open"), STATUS, literal(0)), [3] * 3),
        (fx("MATCH", literal(20), TOTAL), [2] * 3),
        (fx("MATCH", literal(20), TOTAL, literal(-1)), [3] * 3),
        (fx("INDEX", TOTAL, literal(2)), [17] * 3),
        (fx("INDEX", STATUS, fx("MATCH", literal(30), TOTAL, literal(0))), ["open"] * 3),
        (fx("INDEX", TOTAL, literal(9)), [None] * 3),
        (fx("SUM_IF", whole(STATUS), literal("paid"), whole(TOTAL)), [17] * 3),
        (fx("SUM_IF", whole(TOTAL), literal(">=17")), [47] * 3),
        (fx("SUM_IF", whole(STATUS), literal("x' OR 1=1 --"), whole(TOTAL)), [0] * 3),
        (fx("COUNT_IF", whole(TOTAL), literal("<>17")), [2] * 3),
        (fx("SUM_IFS", whole(TOTAL), whole(STATUS), literal("paid")), [17] * 3),
        (fx("SUM_IFS", whole(TOTAL), *OPEN, whole(TOTAL), literal(">=17")), [30] * 3),
        (fx("COUNT_IFS", whole(TOTAL), literal("<>17"), whole(STATUS), literal("paid")), [0] * 3),
        (fx("COUNT_IFS", whole(STATUS), literal("paid")), [1] * 3),
        (fx("MAX_IFS", whole(TOTAL), whole(TOTAL), literal("<30")), [17] * 3),
        (fx("MIN_IFS", whole(TOTAL), whole(TOTAL), literal(">17")), [30] * 3),
        (fx("AVERAGE_IFS", whole(TOTAL), whole(STATUS), literal("nobody's")), [None] * 3),
        (fx("AVERAGE_IF", whole(TOTAL), literal("<20")), [11] * 3),
        (fx("RANK", TOTAL), [3, 2, 1]),
        (fx("RANK", TOTAL, whole(TOTAL), literal(1)), [1, 2, 3]),
        (fx("RANK", STATUS, STATUS, literal(0)), [None, 1, 2]),
        (fx("MOD", fx("MINUS", literal(0), TOTAL), literal(3)), [1, 1, 0]),
        (fx("MOD", TOTAL, literal(-3)), [-1, -1, 0]),
        (fx("MOD", TOTAL, literal(0)), [None] * 3),
        (fx("CEILING", TOTAL, literal(4)), [8, 20, 32]),
        (fx("FLOOR", TOTAL, literal(4)), [4, 16, 28]),
        (fx("CEILING", fx("DIVIDE", TOTAL, literal(4))), [2, 5, 8]),
    ],
)  # fmt: skip
def test_what_other_rows_have(database: Any, tree: Any, wanted: list[Any]) -> None:
    assert worked_out(database, tree) == wanted


@pytest.mark.parametrize(
    ("value", "form", "wanted"),
    [
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (1234.5, "0", "1235"),
        (-0.005, "0.00", "-0.01"),
        (-0.004, "0.00", "0.00"),
        (0.125, "0%", "13%"),
        (0.1254, "0.0%", "12.5%"),
        (-1234.5, "$#,##0.00", "-$1,234.50"),
        (7, "000", "007"),
        (7.5, '0.0" kg"', "7.5 kg"),
        (None, "0", None),
        ("2026-03-05 14:07:09", "yyyy-mm-dd", "2026-03-05"),
        ("2026-03-05 14:07:09", "mmm d, yyyy", "Mar 5, 2026"),
        ("2026-03-05 14:07:09", "dddd hh:mm:ss", "Thursday 14:07:09"),
        ("2026-03-05 14:07:09", "h:mm AM/PM", "2:07 PM"),
        ("2026-03-05 14:07:09", "mm/dd/yy", "03/05/26"),
    ],
)
def test_texts_by_a_format(database: Any, value: Any, form: str, wanted: Any) -> None:
    assert worked_out(database, fx("TEXT", literal(value), literal(form)), limit=1) == [wanted]


def test_whole_units_between_times(database: Any) -> None:
    fields = ["orders.id", "orders.created_at[date]"]
    day = call("SqlStdOperatorTable.CAST", literal("2026-03-01"), {"type": "t", "value": "DATE"})
    tree = fx("DATEDIF", literal("MONTH"), field("orders.created_at[date]"), day)
    sorts = [{"column_name": "orders.id"}]
    assert worked_out(database, tree, fields=fields, sorts=sorts) == [2, 0, None, 0]


def test_columns_of_a_pivot(database: Any) -> None:
    pivoted = {
        "table": "items",
        "join_paths_from_topic_name": "items",
        "fields": ["users.city", "orders.status", "items.revenue"],
        "pivots": ["orders.status"],
        "sorts": [{"column_name": "users.city"}],
    }
    revenue = field("items.revenue")
    across = call("Omni.OMNI_PIVOT_OFFSET", revenue, *map(literal, (0, 0, 1, 50)))
    totals = worked_out(database, fx("SUM", across), outside=True, **pivoted)
    plain = worked_out(database, revenue, **pivoted)
    assert sum(totals[:2]) / 2 == 8  # city A in two columns: 4 and 4
    assert sorted(map(float, plain)) == sorted([4.0, 4.0, 0.0, 9.0])
    first = call("Omni.OMNI_PIVOT_OFFSET", revenue, *map(literal, (0, 0, 1, 1)))
    assert worked_out(database, fx("SUM", first), outside=True, **pivoted) != totals
    # Within a column each is looked up in by itself.
    found = worked_out(database, fx("INDEX", revenue, literal(1)), **pivoted)
    assert len(found) == len(plain)
    with pytest.raises(PlanError, match="pivot"):
        worked_out(database, fx("SUM", across))


def test_a_share_of_the_total_of_a_column(database: Any) -> None:
    mean = {"type": "reference", "column_ref": ["orders.mean", "column_total"]}
    fields = ["orders.status", "orders.mean"]
    asked = {"fields": fields, "sorts": [{"column_name": "orders.mean"}]}
    # The total is the mean of all orders, 13, and not of the means above it.
    totals = {"column_totals": {"::total::": {"type": "aggregation"}}}
    found = worked_out(database, mean, **asked, **totals)
    assert found == [13, 13, 13, None]
    with pytest.raises(PlanError, match="total"):
        worked_out(database, mean, **asked)
    elsewhere = {**mean, "column_ref": ["orders.mean", "row_total"]}
    with pytest.raises(PlanError, match="row_total"):
        worked_out(database, elsewhere, **asked, **totals)


def test_the_first_by_a_calculation_are_the_first_of_all(database: Any) -> None:
    tree = call("SqlStdOperatorTable.MULTIPLY", TOTAL, literal(-1))
    by_it = {"sorts": [{"column_name": "c"}]}
    assert worked_out(database, tree, **by_it) == [-30, -17, -5]
    assert worked_out(database, tree, **by_it, limit=1) == [-30]
    assert worked_out(database, tree, **by_it, limit=1, offset=1) == [-17]
    # What runs along the rows needs an order that is there before.
    with pytest.raises(PlanError, match="no order"):
        worked_out(database, call("Omni.OMNI_RUNNING_TOTAL", TOTAL), **by_it)


def test_each_column_of_a_pivot_has_its_own_total(database: Any) -> None:
    total = {"type": "reference", "column_ref": ["orders.total", "column_total"]}
    found = worked_out(
        database,
        total,
        fields=["orders.user_id", "orders.status", "orders.total"],
        pivots=["orders.status"],
        sorts=[{"column_name": "orders.user_id"}],
        column_totals={"orders.total": {"type": "aggregation"}},
    )
    # User 1: open and paid, 2: no status, none: paid; and the totals' own rows.
    assert found == [30, 17, 5, 17, None, None, None]


@pytest.mark.parametrize(
    "tree",
    [
        fx("RANK", TOTAL, field("orders.count")),
        fx("RANK", TOTAL, offset(TOTAL, -1, 0, 2, 1)),
        fx("XLOOKUP", literal(17), offset(TOTAL, -1, 0, 2, 1), STATUS),
        fx("SUM_IF", offset(TOTAL, FIRST, 0, 1, 1), literal(">1")),
        fx("TEXT", TOTAL),
        fx("TEXT", TOTAL, literal("General")),
        fx("TEXT", TOTAL, literal("0.0;(0.0)")),
        fx("TEXT", TOTAL, literal("[Red]0")),
        fx("TEXT", TOTAL, literal("hh:mm:ss.00")),
        fx("TEXT", TOTAL, literal("[h]:mm")),
        fx("TEXT", TOTAL, STATUS),
        fx("VLOOKUP", literal("paid"), STATUS, whole(STATUS), literal(4)),
        fx("VLOOKUP", literal("paid"), field("orders.fee"), whole(STATUS), literal(1)),
        fx("VLOOKUP", literal("paid")),
        fx("XLOOKUP", literal(1), TOTAL, {"type": "sub_query"}),
        fx("XLOOKUP", literal(1), TOTAL, STATUS, literal("?"), literal(2)),
        fx("SUM_IF", whole(TOTAL), TOTAL, whole(TOTAL)),
        fx("SUM_IFS", whole(TOTAL)),
        fx("SUM_IFS", whole(TOTAL), whole(STATUS), literal("a"), whole(STATUS)),
        fx("COUNT_IFS", whole(TOTAL), TOTAL),
        fx("DATEDIF", literal("d'); --"), TOTAL, TOTAL),
        fx("SUM", offset(TOTAL, call("Omni.ABSOLUTE_POSITION", literal(2)), 0, 1, 1)),
        fx("SUM", offset(TOTAL, -1, 0, 0, 1)),
        fx("INDEX", TOTAL),
    ],
)
def test_what_cannot_be_looked_up_is_refused(database: Any, tree: Any) -> None:
    with pytest.raises(PlanError):
        worked_out(database, tree)


def test_what_does_not_fit_is_told_or_swallowed(database: Any) -> None:
    tree = call("SqlStdOperatorTable.MULTIPLY", STATUS, STATUS)
    with pytest.raises(PlanError, match="cannot be worked out"):
        worked_out(database, tree)
    assert worked_out(database, tree, swallow=True) == ["#ERROR!"] * 3


CELLS = st.lists(
    st.tuples(st.none() | st.integers(-3, 3), st.none() | st.integers(-3, 3)),
    min_size=1,
    max_size=8,
)


def by_duckdb(work: Any, cells: list[Any], tree: Any) -> list[Any]:
    """A calculation over the columns k and v."""
    text = Calculator("c", Frame(("k", "v"), ordered=True), {}).write(tree)
    shown = [[n, *("NULL" if x is None else x for x in row)] for n, row in enumerate(cells, 1)]
    listed = ", ".join(f"({n}, CAST({k} AS INT), CAST({v} AS INT))" for n, k, v in shown)
    rows = f'SELECT * FROM (VALUES {listed}) t("{ROW_NUMBER}", k, v)'
    found = work.execute(
        f'WITH {NUMBERED} AS ({rows}) SELECT {text} FROM {NUMBERED} ORDER BY "{ROW_NUMBER}"'
    )
    return [row[0] for row in found.fetchall()]


@given(
    CELLS, st.integers(-3, 3), st.integers(1, 4), st.integers(-3, 3), st.sampled_from((-1, 0, 1))
)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_windows_and_look_ups_are_those_of_plain_python(
    database: Any, cells: list[Any], first: int, size: int, value: int, mode: int
) -> None:
    k, v = field("k"), field("v")
    sums = by_duckdb(database, cells, fx("SUM", offset(v, first, 0, size, 1)))
    for n, found in enumerate(sums):
        inside = [cells[m][1] for m in range(n + first, n + first + size) if 0 <= m < len(cells)]
        known = [each for each in inside if each is not None]
        assert found == (sum(known) if known else None)
    looked_up = by_duckdb(
        database, cells, fx("XLOOKUP", literal(value), k, v, literal(99), literal(mode))
    )
    fitting = [
        (key, n, result)
        for n, (key, result) in enumerate(cells)
        if key is not None
        and (key == value or (key < value and mode < 0) or (key > value and mode > 0))
    ]
    best = min(fitting, key=lambda each: (abs(each[0] - value), each[1]), default=(0, 0, 99))
    assert looked_up == [best[2]] * len(cells)
    wanted = [n for n, (key, _) in enumerate(cells, 1) if key == value]
    places = by_duckdb(database, cells, fx("MATCH", literal(value), k, literal(0)))
    assert places == [wanted[0] if wanted else None] * len(cells)


@pytest.mark.parametrize(
    ("more", "truncated"),
    [
        ({"limit": 2}, True),
        ({"limit": 3}, False),  # there are three: none is left out
        ({"limit": 2, "offset": 1}, False),
        ({"limit": None}, False),
        ({"limit": 2, "sorts": []}, True),
        ({"limit": 4, "sorts": []}, False),
        ({"limit": 3, "sorts": [], "column_totals": {"::total::": {}}}, True),
        ({"limit": 4, "sorts": [], "column_totals": {"::total::": {}}}, False),
        # A pivot's limit counts its rows, which are three, not its four cells.
        ({"limit": 4, "fields": PIVOT, "pivots": ["orders.status"], "sorts": []}, False),
        ({"limit": 2, "fields": PIVOT, "pivots": ["orders.status"], "sorts": []}, True),
    ],
)
def test_an_answer_tells_whether_its_limit_left_rows_out(
    database: Any, more: dict[str, Any], truncated: bool
) -> None:
    asked = {
        "table": "orders",
        "fields": ["orders.status", "orders.total", "half"],
        "calculations": [
            {"calc_name": "half", "sql_expression": fx("DIVIDE", field("orders.total"), literal(2))}
        ],
        "sorts": [{"column_name": "half"}],
    }
    found = assembled(database, {**asked, **more})
    assert found.schema.metadata == {TRUNCATED: b"true" if truncated else b"false"}


def end(name: str) -> dict[str, Any]:
    return {"type": "literal", "value": {"enum_class_name": "SqlWindow$Bound", "name": name}}


def window(operator: str, *operands: Any, **more: Any) -> dict[str, Any]:
    called = call(f"SqlStdOperatorTable.{operator}", *operands)
    return {"type": "window_call", "aggregate": called, **more}


START, HERE, LAST = end("UNBOUNDED_PRECEDING"), end("CURRENT_ROW"), end("UNBOUNDED_FOLLOWING")
USER = field("orders.user_id")
BEFORE = call("SqlStdOperatorTable.PRECEDING", literal(1))
AFTER = call("SqlStdOperatorTable.FOLLOWING", literal(1))
DOWN = call("SqlStdOperatorTable.DESC", TOTAL)


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        # Of user 1 by status, paid 10 and open 30; of user 2 5; of nobody 7: sorted by the total.
        (window("SUM", TOTAL), [52] * 4),
        (window("COUNT"), [4] * 4),
        (window("AVG", TOTAL, partition_args=[USER]), [5, 7, 20, 20]),
        (window("SUM", TOTAL, partition_args=[USER], order_by_args=[TOTAL]), [5, 7, 10, 40]),
        (window("SUM", TOTAL, order_by_args=[DOWN]), [52, 47, 40, 30]),
        (
            window("SUM", TOTAL, lower_bound=BEFORE, upper_bound=AFTER, is_rows=True),
            [12, 22, 47, 40],
        ),
        (window("SUM", TOTAL, lower_bound=HERE, upper_bound=LAST, is_rows=True), [52, 47, 40, 30]),
        (window("MAX", TOTAL, upper_bound=BEFORE, is_rows=True), [None, 5, 7, 10]),
        # A range has all rows of the same value, rows are in the answer's order.
        (window("COUNT", order_by_args=[USER], lower_bound=START, upper_bound=HERE), [3, 4, 2, 2]),
        (
            window(
                "COUNT", order_by_args=[USER], lower_bound=START, upper_bound=HERE, is_rows=True
            ),
            [3, 4, 1, 2],
        ),
        (window("RANK", order_by_args=[USER]), [3, 4, 1, 1]),
        (window("DENSE_RANK", order_by_args=[USER]), [2, 3, 1, 1]),
        (window("ROW_NUMBER", order_by_args=[call("NULLS_FIRST", USER)]), [4, 1, 2, 3]),
        (window("ROW_NUMBER", partition_args=[USER], order_by_args=[DOWN]), [1, 1, 2, 1]),
        (window("LAG", TOTAL, literal(1), literal(0)), [0, 5, 7, 10]),
        (window("FIRST_VALUE", TOTAL, partition_args=[USER], order_by_args=[DOWN]), [5, 7, 30, 30]),
    ],
)
def test_windows(database: Any, tree: Any, wanted: list[Any]) -> None:
    fields = ["orders.user_id", "orders.status", "orders.total"]
    assert worked_out(database, tree, fields=fields) == wanted


def test_windows_of_a_pivot_are_parted_as_they_say(database: Any) -> None:
    asked = {"fields": ["orders.user_id", "orders.status", "orders.total"], "limit": 10}
    asked |= {"pivots": ["orders.status"], "sorts": [{"column_name": "orders.user_id"}]}
    whole = worked_out(database, window("SUM", TOTAL), **asked)
    assert whole == [52] * 4
    by_status = worked_out(database, window("SUM", TOTAL, partition_args=[STATUS]), **asked)
    assert sorted(by_status) == [5, 17, 17, 30]


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        (window("UPPER", STATUS), "no window runs with 'UPPER'"),
        (window("SUM"), "wrong number"),
        (window("SUM", TOTAL, partition_args="orders.status"), "partition_args is an array"),
        (window("SUM", TOTAL, lower_bound=literal(2), is_rows=True), "a window ends at"),
        (window("SUM", TOTAL, order_by_args=[TOTAL], lower_bound=BEFORE), "with is_rows"),
        ({"type": "sub_query", "query_id": "a"}, "another question"),
    ],
)
def test_windows_that_cannot_be_read(database: Any, tree: Any, told: str) -> None:
    with pytest.raises(PlanError, match=told):
        worked_out(database, tree)


def test_a_window_along_the_answer_needs_an_order(database: Any) -> None:
    with pytest.raises(PlanError, match="no order"):
        worked_out(database, window("LAG", TOTAL), sorts=[])


def test_casts_name_their_type_as_clients_do(database: Any) -> None:
    kind = {"type": "sql_type", "type_name_name": "DOUBLE", "precision": 0, "scale": 0}
    assert worked_out(database, call("SqlStdOperatorTable.CAST", TOTAL, kind)) == [5.0, 17.0, 30.0]


def unselected(database: Any, fields: list[str], *calculations: dict[str, Any]) -> list[Any]:
    asked = {**ROWS, "fields": fields, "calculations": list(calculations)}
    return [tuple(row.values()) for row in answered(database, asked)]


def calc(name: str, tree: Any, **more: Any) -> dict[str, Any]:
    return {"calc_name": name, "sql_expression": tree, **more}


def test_a_calculation_may_use_measures_that_are_not_selected(database: Any) -> None:
    twice = calc("c", fx("PLUS", TOTAL, TOTAL), allow_refs_to_unselected_fields=True)
    found = unselected(database, ["orders.status", "c"], twice)
    assert found == [(None, 10), ("paid", 34), ("open", 60)]
    with pytest.raises(PlanError, match="not in the answer"):
        unselected(
            database, ["orders.status", "c"], {**twice, "allow_refs_to_unselected_fields": False}
        )
    by_status = calc("c", STATUS, allow_refs_to_unselected_fields=True)
    with pytest.raises(PlanError, match=r"orders\.status is no measure"):
        unselected(database, ["orders.total", "c"], by_status)


def test_calculations_use_each_other_in_any_order(database: Any) -> None:
    plus = [calc("b", fx("PLUS", field("a"), literal(1))), calc("a", fx("PLUS", TOTAL, literal(1)))]
    # One that is not selected is worked out all the same.
    fields = ["orders.status", "orders.total", "b"]
    assert [row[-1] for row in unselected(database, fields, *plus)] == [7, 19, 32]
    with pytest.raises(PlanError, match="cannot be worked out"):
        unselected(database, ["orders.total", "b"], plus[0], calc("a", field("b")))
