"""The grammar of filters and paths."""

from __future__ import annotations

import pytest

from dragoman.api.errors import BadRequest
from dragoman.scim.grammar import (
    Compare,
    Logic,
    Negation,
    Path,
    Target,
    Within,
    parse_filter,
    parse_target,
)

NAME = Compare(Path("userName"), "eq", "a")
ACTIVE = Compare(Path("active"), "eq", True)
TITLE = Compare(Path("title"), "pr")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('userName eq "a"', NAME),
        ('userName Eq "a"', NAME),
        ("active eq true", ACTIVE),
        ("active eq True", ACTIVE),
        (
            'emails[type eq "work"].value eq "a"',
            Within(
                Path("emails"),
                Logic(
                    "and",
                    (
                        Compare(Path("type"), "eq", "work"),
                        Compare(Path("value"), "eq", "a"),
                    ),
                ),
            ),
        ),
        ("title pr", TITLE),
        ("title ne null", Compare(Path("title"), "ne", None)),
        ("age gt -1.5", Compare(Path("age"), "gt", -1.5)),
        (r'title eq "a \"b\" \u00e9"', Compare(Path("title"), "eq", 'a "b" é')),
        ('name.familyName sw "B"', Compare(Path("name", "familyName"), "sw", "B")),
        (
            'urn:ietf:params:scim:schemas:core:2.0:User:name.familyName co "B"',
            Compare(
                Path("name", "familyName", "urn:ietf:params:scim:schemas:core:2.0:User"), "co", "B"
            ),
        ),
        (
            "urn:omni:params:1.0:UserAttribute:region pr",
            Compare(Path("region", None, "urn:omni:params:1.0:UserAttribute"), "pr"),
        ),
        (
            'title pr or active eq true AND userName eq "a"',
            Logic("or", (TITLE, Logic("and", (ACTIVE, NAME)))),
        ),
        ('(title pr or active eq true) and userName eq "a"',
         Logic("and", (Logic("or", (TITLE, ACTIVE)), NAME))),
        ('not (title pr) and userName eq "a"', Logic("and", (Negation(TITLE), NAME))),
        ('not(title pr)', Negation(TITLE)),
        ('not eq "a"', Compare(Path("not"), "eq", "a")),
        (
            'emails[type eq "work" and value co "@b"]',
            Within(
                Path("emails"),
                Logic("and", (Compare(Path("type"), "eq", "work"),
                              Compare(Path("value"), "co", "@b"))),
            ),
        ),
    ],
)  # fmt: skip
def test_filter(text: str, tree: object) -> None:
    assert parse_filter(text) == tree
    assert parse_filter(f"  (  {text} ) ") == tree


@pytest.mark.parametrize(
    "text",
    [
        "", "userName", "userName eq", 'userName is "a"', "userName eq a", 'eq "a"', "(title pr",
        "title pr)", "title pr and", "title pr title pr", 'emails[type eq "a"', 'a.b.c eq "x"',
        'userName eq "a', 'userName eq "\\x"', "not title pr", "1a pr", "(" * 60 + "title pr",
        "title pr or " * 800 + "title pr",
    ],
)  # fmt: skip
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_filter(text)
    assert refused.value.extra == {"scimType": "invalidFilter"}


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("members", Target(Path("members"))),
        ("name.givenName", Target(Path("name", "givenName"))),
        ('members[value eq "a"]', Target(Path("members"), Compare(Path("value"), "eq", "a"))),
        ('emails[type eq "a"].value',
         Target(Path("emails"), Compare(Path("type"), "eq", "a"), "value")),
    ],
)  # fmt: skip
def test_target_of_a_patch(text: str, target: Target) -> None:
    assert parse_target(text) == target
