"""Lists of names with wildcards."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.names import BadNames, compile_patterns, quote_name, split_names

TEXT = st.text(alphabet='ab.*", _%!\\Aé', min_size=1, max_size=12)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize(
    ("names", "schema", "catalog", "expected"),
    [
        ("", "anything", None, True),
        ("public", "public", None, True),
        ("public", "Public", None, False),
        ("public", "publics", None, False),
        ("public , sales_*", "sales_eu", None, True),
        ("sales_*", "sales", None, False),
        ("*_eu", "sales_eu", None, True),
        ("a*b*c", "a1b2c", None, True),
        ("a*b*c", "acb", None, False),
        ("a*a", "a", None, False),
        ("*", "", None, True),
        ('"*"', "*", None, True),
        ('"*"', "x", None, False),
        ('"a,b"', "a,b", None, True),
        ('"a""b"', 'a"b', None, True),
        ("OTHER.SALES", "SALES", "OTHER", True),
        ("OTHER.SALES", "SALES", "MINE", False),
        ("OTHER.SALES", "SALES", None, False),
        ("OTHER.*", "anything", "OTHER", True),
        ("SALES", "SALES", "ANY", True),
        ('"My.Db".s', "s", "My.Db", True),
        ('"a.b"', "a.b", None, True),
        ('"a.b"', "b", "a", False),
    ],
)
def test_matches(names: str, schema: str, catalog: str | None, expected: bool) -> None:
    assert compile_patterns(names).matches(schema, catalog) is expected


def test_fold_spares_quoted_parts() -> None:
    folding = compile_patterns('Sales*,"Exact"', fold=True)
    assert folding.matches("SALES_EU")
    assert folding.matches("Exact")
    assert not folding.matches("EXACT")


def test_catalog_lists_have_no_schemas() -> None:
    catalogs = compile_patterns("domain.com:project,other_*", qualified=False)
    assert catalogs.matches("domain.com:project")
    assert catalogs.matches("other_1")
    assert not catalogs.matches("com:project")


@pytest.mark.parametrize("text", ["a,,b", ",", "a,", 'a,"b', '""', "a.", ".b", "a..", '"".b'])
def test_broken_lists_are_refused(text: str) -> None:
    with pytest.raises(BadNames) as refused:
        split_names(text)
    assert refused.value.fix


def test_like_escapes_what_sql_reads() -> None:
    patterns = compile_patterns('a_b%*c!,"*"').like_patterns()
    assert [(p.catalog, p.schema) for p in patterns] == [(None, "a!_b!%%c!!"), (None, "*")]
    assert compile_patterns("a[b").like_patterns(specials="%_[")[0].schema == "a![b"
    assert compile_patterns("O_X.S*").like_patterns()[0].catalog == "O!_X"
    assert compile_patterns("").like_patterns() == []


def test_no_pattern_is_slow() -> None:
    started = time.thread_time()
    assert not compile_patterns("*a" * 500 + "*b").matches("a" * 2000)
    assert time.thread_time() - started < 5


@given(TEXT)
def test_a_quoted_name_means_itself(name: str) -> None:
    only = compile_patterns(quoted(name))
    assert only.matches(name)
    assert not only.matches(name + "x")
    assert split_names(f"{quoted(name)},b") == [quoted(name), "b"]


@given(TEXT)
def test_an_array_item_stays_one_name(name: str) -> None:
    written = quote_name(name)
    with contextlib.suppress(BadNames):
        assert len(split_names(written)) == (1 if name.strip() else 0)


@given(st.lists(TEXT, max_size=4), TEXT)
def test_like_and_matches_agree(pieces: list[str], schema: str) -> None:
    """Both against SQL's own reading of LIKE, written as a regular expression."""
    only = compile_patterns("x" + "*".join(quoted(p) for p in pieces))
    (pattern,) = only.like_patterns()
    for candidate in (schema, "x" + "".join(pieces), "x" + "zz".join(pieces)):
        assert only.matches(candidate) is bool(like(pattern.schema).fullmatch(candidate))


def like(pattern: str) -> re.Pattern[str]:
    steps = re.findall(r"!.|.", pattern, re.DOTALL)
    read = {"%": ".*", "_": "."}
    return re.compile("".join(read.get(s, re.escape(s[-1])) for s in steps), re.DOTALL)
