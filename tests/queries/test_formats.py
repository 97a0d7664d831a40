"""Arrow batches through each format and back, against the values they were made of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.queries.formats import FORMATS_BY_KEY, encode
from dragoman.queries.formats.json import SLICE_BYTES, sliced
from dragoman.queries.formats.plain import iso, period, unique, values
from dragoman.queries.formats.texts import json_texts

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
COLUMNS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    (pa.bool_(), st.booleans()),
    (pa.string(), UNICODE),
    (pa.large_string(), UNICODE),
    (pa.string_view(), UNICODE),
    (pa.dictionary(pa.int32(), pa.string()), UNICODE),
    (pa.decimal128(38, 9), st.decimals(-(10**28), 10**28, places=9)),
    (pa.list_(pa.int32()), st.lists(st.integers(-5, 5) | st.none(), max_size=3)),
    (
        pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))]),
        st.fixed_dictionaries({"a": st.integers(-5, 5), "b": st.lists(UNICODE, max_size=2)}),
    ),
]


@st.composite
def batches(draw: st.DrawFn) -> list[pa.RecordBatch]:
    """One to three batches of one schema, sliced somewhere, names that may come twice."""
    chosen = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4))
    names = draw(st.lists(UNICODE, min_size=len(chosen), max_size=len(chosen)))
    schema = pa.schema([(name, kind) for name, (kind, _) in zip(names, chosen, strict=True)])
    found: list[pa.RecordBatch] = []
    for _ in range(draw(st.integers(1, 3))):
        rows = draw(st.integers(0, 5))
        column = st.lists
        arrays = [
            pa.array(draw(column(some | st.none(), min_size=rows, max_size=rows)), kind)
            for kind, some in chosen
        ]
        whole = pa.RecordBatch.from_arrays(arrays, schema=schema)
        found.append(whole.slice(draw(st.integers(0, rows))))
    return found


def written(key: str, parts: Sequence[pa.RecordBatch]) -> bytes:
    return b"".join(encode(parts[0].schema, parts, FORMATS_BY_KEY[key]))


def rows_of(parts: Sequence[pa.RecordBatch]) -> list[list[Any]]:
    columns = [
        [v for part in parts for v in part.column(n).to_pylist()]
        for n in range(len(parts[0].schema))
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def one(array: pa.Array, name: str = "x") -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_arrays([array], names=[name])]


@given(batches())
def test_arrow_keeps_everything(parts: list[pa.RecordBatch]) -> None:
    with pa.ipc.open_stream(written("arrow", parts)) as reader:
        assert reader.schema == parts[0].schema
        assert rows_of([*reader, parts[0].slice(0, 0)]) == rows_of(parts)


@given(batches())
def test_json_keeps_values_and_order(parts: list[pa.RecordBatch]) -> None:
    found = json.loads(written("json", parts), parse_float=Decimal)
    assert_same_rows(found, parts)


@given(batches())
def test_ndjson_is_an_object_a_line(parts: list[pa.RecordBatch]) -> None:
    lines = written("ndjson", parts).split(b"\n")
    assert lines.pop() == b""
    assert_same_rows([json.loads(line, parse_float=Decimal) for line in lines], parts)


def assert_same_rows(found: list[dict[str, Any]], parts: list[pa.RecordBatch]) -> None:
    names = unique(parts[0].schema.names)
    assert [list(row) for row in found] == [names] * len(found)
    expected = rows_of(parts)
    for row, wanted in zip(found, expected, strict=True):
        for value, original in zip(row.values(), wanted, strict=True):
            if isinstance(original, float):
                assert float(value) == original
            else:
                assert value == original


@given(batches())
def test_csv_keeps_values(parts: list[pa.RecordBatch]) -> None:
    text = io.StringIO(written("csv", parts).decode(), newline="")
    header, *found = csv.reader(text)
    assert header == parts[0].schema.names
    expected = rows_of(parts)
    if parts[0].num_columns == 1:
        # A null alone is an empty line, which Python's reader gives as a row of nothing.
        found = [row or [""] for row in found]
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        assert [as_text(value) for value in wanted] == [
            as_text(type(original)(value)) if type(original) in (float, Decimal) else value
            for value, original in zip(row, wanted, strict=True)
        ]


def as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return format(value, "f") if isinstance(value, Decimal) else str(value)


MOMENT = datetime(2024, 5, 17, 10, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([MOMENT], pa.timestamp("us", "Europe/Berlin")), "2024-05-17T10:00:00.250000Z"),
        (pa.array([MOMENT], pa.timestamp("ms")), "2024-05-17T10:00:00.250"),
        (pa.array([1], pa.timestamp("ns")), "1970-01-01T00:00:00.000000001"),
        (pa.array([-1], pa.timestamp("s")), "1969-12-31T23:59:59"),
        (pa.array([date(2024, 5, 17)], pa.date32()), "2024-05-17"),
        (pa.array([date(2024, 5, 17)], pa.date64()), "2024-05-17"),
        (pa.array([time(1, 2, 3, 4)], pa.time64("us")), "01:02:03.000004"),
        (pa.array([1500], pa.duration("ms")), "PT1.5S"),
        (pa.array([(14, 3, -1_000_000)], pa.month_day_nano_interval()), "P14M3DT-0.001S"),
        (pa.array([b"\x00\xff"], pa.binary()), "AP8="),
        (pa.array([b"\x00\xff"], pa.binary(2)), "AP8="),
        (pa.array([b"\x00\xff"], pa.large_binary()), "AP8="),
        (pa.array([0.1], pa.float32()), 0.1),
        (pa.array([None], pa.null()), None),
        (pa.array([float("nan")]), None),
        (pa.array([float("-inf")]), None),
        (pa.array([2**63 - 1]), 2**63 - 1),
        (
            pa.array([[("a", 1), ("b", None)]], pa.map_(pa.string(), pa.int8())),
            [{"key": "a", "value": 1}, {"key": "b", "value": None}],
        ),
        (
            pa.array([[MOMENT, None]], pa.list_(pa.timestamp("s", "UTC"))),
            ["2024-05-17T10:00:00Z", None],
        ),
        (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), [1, 2]),
        (pa.array([[1, 2]], pa.list_view(pa.int8())), [1, 2]),
        (pa.array([{"d": b"a"}]), {"d": "YQ=="}),
        (
            pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"\x01" * 16], pa.binary(16))),
            "01010101-0101-0101-0101-010101010101",
        ),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}'])), '{"a": 1}'),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array | pa.ExtensionArray) else "",
)
def test_each_type_as_json_and_as_csv(array: pa.Array, expected: Any) -> None:
    assert json.loads(written("json", one(array))) == [{"x": expected}]
    line = written("csv", one(array)).decode().split("\n")[1]
    assert (line == "") is pa.types.is_null(array.type)  # nothing else is lost, not even nan
    if isinstance(expected, str):
        assert line in (expected, '"' + expected.replace('"', '""') + '"')


def test_nulls_stay_in_place_inside_sliced_nested_values() -> None:
    array = pa.array([[1], None, [], [2, 3], None], pa.list_(pa.int64())).slice(1, 3)
    assert values(array) == [None, [], [2, 3]]
    fixed = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2))
    assert values(fixed) == [[1, 2], None, [3, 4]]
    struct = pa.array([{"a": 1}, None, {"a": None}]).slice(1)
    assert values(struct) == [None, {"a": None}]
    mapped = pa.array([[("a", 1)], None, [("b", 2)]], pa.map_(pa.string(), pa.int64())).slice(1)
    assert values(mapped) == [None, [{"key": "b", "value": 2}]]


def test_decimals_are_numbers_with_every_digit() -> None:
    many = one(pa.array([Decimal("12345678901234567890.10")], pa.decimal128(38, 2)))
    assert written("json", many) == b'[{"x":12345678901234567890.10}]'
    assert written("csv", many) == b'"x"\n12345678901234567890.10\n'


def test_empty_text_and_null_differ_in_csv() -> None:
    assert written("csv", one(pa.array(["", None]))) == b'"x"\n""\n\n'


def test_names_that_come_twice() -> None:
    assert unique(["a", "a", "a_2", "a", ""]) == ["a", "a_3", "a_2", "a_4", ""]
    twice = [pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])]
    assert written("json", twice) == b'[{"a":1,"a_2":2}]'
    assert written("csv", twice) == b'"a","a"\n1,2\n'


def test_an_answer_without_rows_is_whole_in_each_format() -> None:
    schema = pa.schema([("a", pa.int64())])
    empty = {key: b"".join(encode(schema, [], form)) for key, form in FORMATS_BY_KEY.items()}
    assert pa.ipc.open_stream(empty["arrow"]).read_all().schema == schema
    assert (empty["csv"], empty["json"], empty["ndjson"]) == (b'"a"\n', b"[]", b"")


def test_a_part_of_an_arrow_stream_is_seen_as_one() -> None:
    pieces = list(
        encode(pa.schema([("a", pa.int64())]), one(pa.array([1]), "a"), FORMATS_BY_KEY["arrow"])
    )
    assert pieces[-1] == b"\xff\xff\xff\xff\x00\x00\x00\x00"


def test_many_rows_come_in_slices() -> None:
    parts = one(pa.array(range(10_000)))
    pieces = list(encode(parts[0].schema, parts, FORMATS_BY_KEY["json"]))
    assert len(pieces) == 4  # three slices of at most 4,096 rows and the bracket
    assert [row["x"] for row in json.loads(b"".join(pieces))] == list(range(10_000))


def test_slices_of_wide_rows_have_fewer() -> None:
    (batch,) = one(pa.array(["x" * SLICE_BYTES, "y", "z" * SLICE_BYTES]))
    found = list(sliced(batch))
    assert [part.num_rows for part in found] == [1, 1, 1]
    assert rows_of(found) == rows_of([batch])


def test_json_of_a_column_is_that_of_its_values() -> None:
    texts = [*map(chr, range(0x80)), 'a"b\\n\n\u2028é😀', "", None]
    floats = [1.0, -0.0, 0.1, 1e10, 1e16, 1e22, 1e-5, 5e-324, 123456789.0, 1.7e308, None]
    whole = {"t": pa.array(texts), "f": pa.array(floats), "h": pa.array([1.0, 0.5], pa.float16())}
    for array in (*whole.values(), pa.array(texts).dictionary_encode(), pa.array(texts).slice(3)):
        found = json.loads("[" + ",".join(v or "null" for v in json_texts(array).to_pylist()) + "]")
        assert [(type(v), repr(v)) for v in found] == [
            (type(v), repr(v)) for v in array.to_pylist()
        ]


def test_years_of_any_length_beside_each_other() -> None:
    moments = pa.array([0, 300_000_000_000, -63_000_000_000, None], pa.timestamp("s"))
    assert iso(moments).to_pylist() == [
        *("1970-01-01T00:00:00", "11476-08-15T05:20:00", "-0027-08-11T08:00:00", None),
    ]


def test_nothing_comes_before_the_first_batch() -> None:
    def broken() -> Any:
        raise ValueError("no")
        yield

    for form in FORMATS_BY_KEY.values():
        with pytest.raises(ValueError, match="no"):
            next(encode(pa.schema([("a", pa.int64())]), broken(), form))


def test_dictionaries_that_change_between_batches() -> None:
    parts = [one(pa.array(part).dictionary_encode())[0] for part in (["a", "b"], ["c"], ["a"])]
    with pa.ipc.open_stream(written("arrow", parts)) as reader:
        assert [v for part in reader for v in part.column(0).to_pylist()] == ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("parts", "text"),
    [((0, 0, 0), "PT0S"), ((1, 0, 0), "P1M"), ((-1, 2, 0), "P-1M2D"), ((0, 0, 10**9), "PT1S")],
)
def test_periods(parts: tuple[int, int, int], text: str) -> None:
    assert period(*parts) == text
