"""PostgreSQL's numeric without (p, s) on the real server: numbers, and never other ones."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dragoman.dialects.base import Rows
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.queries.formats import FORMATS_BY_KEY, encode
from tests.engines.conformance import Subject, postgres_subject, rows
from tests.support.engines import Engine

NUMERIC = {b"dragoman:type": b"numeric"}
ROWS = 200_000  # more than one batch


@pytest.fixture
def postgres(postgres_server: Engine) -> Subject:
    return postgres_subject(postgres_server)


def answered(postgres: Subject, sql: str) -> tuple[pa.Field, list[Any], list[str]]:
    """The one column `v` of the answer: its field, its values, the notices."""
    with postgres.session() as session:
        answer = session.run(sql)
        values = [row["v"] for batch in answer.batches for row in batch.to_pylist()]
    return answer.schema.field("v"), values, answer.notices


def column(*values: str) -> str:
    return "SELECT v FROM (VALUES " + ", ".join(f"({v}::numeric)" for v in values) + ") AS t (v)"


@pytest.mark.parametrize(
    ("sql", "kind", "values"),
    [
        (
            "SELECT sum(n::int8) AS v FROM generate_series(1, 10) AS t (n)",
            pa.decimal128(2, 0),
            [55],
        ),
        ("SELECT avg(n) AS v FROM generate_series(1, 2) AS t (n)", pa.decimal128(17, 16), ["1.5"]),
        (
            "SELECT sum(x) AS v FROM (VALUES (1.25::numeric(9,2)), (-3)) AS t (x)",
            pa.decimal128(3, 2),
            ["-1.75"],
        ),
        (column("1.5", "-22.125", "7"), pa.decimal128(5, 3), ["1.5", "-22.125", "7"]),
        (column("0", "0.00"), pa.decimal128(2, 2), [0, 0]),
        (column("0.0000001", "-0.5"), pa.decimal128(7, 7), ["0.0000001", "-0.5"]),
        (column("1e30"), pa.decimal128(31, 0), ["1e30"]),
        (column("9" * 38), pa.decimal128(38, 0), ["9" * 38]),
        (column("-" + "9" * 39), pa.decimal256(39, 0), ["-" + "9" * 39]),
        (column("9" * 70 + ".123456"), pa.decimal256(76, 6), ["9" * 70 + ".123456"]),
        (f"SELECT {'9' * 48}.12::numeric(100, 2) AS v", pa.decimal256(50, 2), ["9" * 48 + ".12"]),
        ("SELECT v FROM (SELECT 1::numeric AS v) AS t WHERE v > 1", pa.decimal128(38, 20), []),
        (column("NULL", "NULL"), pa.decimal128(38, 20), [None, None]),
        (column("NULL", "2.5"), pa.decimal128(2, 1), [None, "2.5"]),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_one_batch_gets_the_digits_that_it_needs(
    postgres: Subject, sql: str, kind: pa.DataType, values: list[Any]
) -> None:
    field, found, notices = answered(postgres, sql)
    assert (field.type, notices) == (kind, [])
    assert found == [None if value is None else Decimal(value) for value in values]


def test_more_digits_than_a_decimal_has_stay_text(postgres: Subject) -> None:
    field, found, _ = answered(postgres, column("9" * 80, "-1.50"))
    assert (field.type, field.metadata) == (pa.string(), NUMERIC)
    assert found == ["9" * 80, "-1.50"]


def test_nan_and_infinity_are_null_with_a_notice(postgres: Subject) -> None:
    sql = column("1.5", "'NaN'", "'Infinity'", "'-Infinity'")
    field, found, notices = answered(postgres, sql)
    assert (field.type, found) == (pa.decimal128(2, 1), [Decimal("1.5"), None, None, None])
    assert notices == ["Column v: NaN or infinity has no Arrow value and became null."]


def test_arrays_keep_their_text(postgres: Subject) -> None:
    field, found, _ = answered(postgres, "SELECT array[1.50, 2]::numeric[] AS v")
    assert (field.type, found) == (pa.list_(pa.string()), [["1.50", "2"]])


def series(late: str) -> str:
    """Many rows of 0.01 steps, the last of them another value."""
    return (
        f"SELECT CASE WHEN n = {ROWS} THEN {late}::numeric ELSE n * 0.01 END AS v,"
        f" 'a text that fills batches' AS t FROM generate_series(1, {ROWS}) AS s (n)"
    )


def test_later_batches_have_digits_to_spare(postgres: Subject) -> None:
    for late in ("123456789012345.123456789012345", "-0.00000000000000001", "NULL"):
        field, found, notices = answered(postgres, series(late))
        assert field.type.precision == 38
        assert found[-1] == (None if late == "NULL" else Decimal(late))
        assert found[:-1] == [Decimal(n).scaleb(-2) for n in range(1, ROWS)]
        assert notices == []


def test_nan_in_a_later_batch(postgres: Subject) -> None:
    _, found, notices = answered(postgres, series("'NaN'"))
    assert found[-2:] == [Decimal(ROWS - 1).scaleb(-2), None]
    assert notices == ["Column v: NaN or infinity has no Arrow value and became null."]


@pytest.mark.parametrize("late", ["1e30", "-1e37", "0.1234567890123456789012345", "1e60", "1e-60"])
def test_a_later_value_that_does_not_fit_is_an_error(postgres: Subject, late: str) -> None:
    with postgres.session() as session:
        answer = session.run(series(late))
        next(answer.batches)
        with pytest.raises(DatabaseFailure) as caught:
            list(answer.batches)
        assert (caught.value.stage, caught.value.cause) == (Stage.QUERY, Cause.OTHER)
        assert caught.value.message.startswith("Column v: ")
        assert "numeric(p, s)" in (caught.value.fix or "")
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


def test_nulls_first_and_numbers_later(postgres: Subject) -> None:
    sql = (
        "SELECT CASE WHEN n > 150000 THEN n / 7::numeric END AS v, 'a text that fills batches' AS t"
        f" FROM generate_series(1, {ROWS}) AS s (n)"
    )
    field, found, _ = answered(postgres, sql)
    assert field.type == pa.decimal128(38, 20)
    assert found[0] is None
    assert found[-1] == Decimal("28571.428571428571")


def test_other_columns_and_several_numerics_keep_their_own_types(postgres: Subject) -> None:
    sql = "SELECT 1.5::numeric AS a, 'x' AS b, 2.25::numeric(5,2) AS c, -7::numeric AS a"
    with postgres.session() as session:
        answer = session.run(sql)
        (batch,) = answer.batches
    expected = [pa.decimal128(2, 1), pa.string(), pa.decimal128(5, 2), pa.decimal128(1, 0)]
    assert answer.schema.types == expected
    assert [value[0].as_py() for value in batch.columns] == [
        Decimal("1.5"),
        "x",
        Decimal("2.25"),
        Decimal(-7),
    ]


def test_the_limit_and_errors_hold_while_the_first_batch_is_awaited(postgres: Subject) -> None:
    with postgres.session(timeout_seconds=1.0) as session:
        for sql, cause in (
            ("SELECT 1::numeric AS v, pg_sleep(60)::text AS t", Cause.QUERY_TIMEOUT),
            ("SELECT 1 / (3 - n)::numeric AS v FROM generate_series(1, 5) AS t (n)", Cause.OTHER),
        ):
            with pytest.raises(DatabaseFailure) as caught:
                session.run(sql)
            assert (caught.value.stage, caught.value.cause) == (Stage.QUERY, cause)
            assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


def test_an_answer_closed_after_the_first_batch_leaves_the_session_usable(
    postgres: Subject,
) -> None:
    with postgres.session() as session:
        answer = session.run("SELECT n::numeric AS v FROM generate_series(1, 3000000) AS t (n)")
        assert next(answer.batches).column(0)[0].as_py() == 1
        answer.close()
        assert rows(session, "SELECT sum(a) AS s FROM victim") == [{"s": 1}]


def body(answer: Rows, key: str) -> str:
    return b"".join(encode(answer.schema, answer.batches, FORMATS_BY_KEY[key])).decode()


def test_json_and_csv_show_numbers(postgres: Subject) -> None:
    sql = (
        "SELECT k, sum(x) AS s, avg(x) AS a, max(x) * 1e40 AS big FROM"
        " (VALUES ('a', 1.5::numeric), ('a', -4.25), ('b', 0), ('c', NULL)) AS t (k, x)"
        " GROUP BY k ORDER BY k"
    )
    with postgres.session() as session:
        text = body(session.run(sql), "json")
        table = list(csv.DictReader(io.StringIO(body(session.run(sql), "csv"))))
        plain = body(session.run("SELECT sum(x) AS s FROM (VALUES (1.25), (2)) AS t (x)"), "csv")
    found = json.loads(text, parse_float=Decimal)
    assert [(r["s"], r["a"]) for r in found] == [
        (Decimal("-2.75"), Decimal("-1.375")),
        (0, 0),
        (None, None),
    ]
    assert found[0]["big"] == 15 * 10**39
    assert Decimal(table[0]["a"]) == Decimal("-1.375")
    assert Decimal(table[0]["big"]) == 15 * 10**39
    assert table[2]["s"] == ""
    assert plain == '"s"\n3.25\n'
