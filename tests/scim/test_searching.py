"""Filters by the store's columns and filters on documents find the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.identity.service import Provided, Wanted
from dragoman.scim import resources, searching
from dragoman.scim.attributes import GROUPS, USERS
from dragoman.scim.grammar import parse_filter
from dragoman.scim.matching import fits
from tests.scim.test_server import USERS as PATH
from tests.scim.test_server import create, names
from tests.support.server import Server, running_server, settings_for

PEOPLE = (
    ("ann@example.com", "Ann", "1", True), ("bob@EXAMPLE.com", "bob b", None, False),
    ("a_b%c@example.com", "Ärger", "ANN", True), ("zoe@sub.example.com", "ANN", "1a", False),
)  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    home: Path = tmp_path_factory.mktemp("searching")
    url = f"sqlite:///{home / 'store.db'}"
    if request.param == "postgres":
        from tests.support import engines

        engine = request.getfixturevalue("postgres_server")
        engines.create_database(engine, "scim_searching")
        url = engine.url("postgresql", "scim_searching")
    with running_server(settings_for(home / "home", url)) as server:
        with server.unit() as unit:
            made = [
                identity.create_user(
                    unit, OPERATOR, email, name, provided=Provided(external, None, active)
                )
                for email, name, external, active in PEOPLE
            ]
            identity.create_group(unit, OPERATOR, "Sales", [made[0].id, made[1].id], "g")
            identity.create_group(unit, OPERATOR, "sales EU", [made[1].id])
            identity.create_group(unit, OPERATOR, "Ärzte")
        yield server


TEXTS = ["", "ann", "Ann", "ANN", "a", "1", "example.com", "b%c", "_", "Ä", "sales", "S", "zz"]
COMPARED = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]
TIMES = ["2020-01-01T00:00:00Z", "2100-01-01", "2026-01-01T00:00:00+02:00"]


def filters(attributes: list[str]) -> st.SearchStrategy[str]:
    text = st.builds(
        '{} {} "{}"'.format, st.sampled_from(attributes), st.sampled_from(COMPARED),
        st.sampled_from(TEXTS),
    )  # fmt: skip
    times = st.builds(
        'meta.created {} "{}"'.format, st.sampled_from(["gt", "lt", "ge", "le", "ne"]),
        st.sampled_from(TIMES),
    )  # fmt: skip
    there = st.builds("{} pr".format, st.sampled_from(attributes))
    null = st.builds(
        "{} {} null".format, st.sampled_from(attributes), st.sampled_from(["eq", "ne"])
    )
    return st.recursive(
        st.one_of(text, text, times, there, null),
        lambda inner: st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or", "AND"]), inner),
            st.builds("not ({})".format, inner),
        ),
        max_leaves=5,
    )


def _same(server: Server, kind: Any, search: Any, shape: Any, text: str) -> None:
    wanted = parse_filter(text)
    condition = searching.condition(kind, wanted)
    with server.unit() as unit:
        total, found = search(unit, Wanted(condition))
        everything = [shape(each, {}, "") for each in search(unit, Wanted())[1]]
    expected = [each["id"] for each in everything if fits(kind, each, wanted)]
    assert [shape(each, {}, "")["id"] for each in found] == expected, text
    assert total == len(expected)


MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@MANY
@given(
    text=st.one_of(
        filters(["userName", "displayName", "externalId", "id", "groups", "groups.value"]),
        st.sampled_from(["active eq true", "active ne True", 'active eq "False"', "active pr"]),
    )
)
def test_users(place: Server, text: str) -> None:
    def search(unit: Any, wanted: Wanted) -> Any:
        return identity.search_users(unit, identity.Kind.MEMBER, wanted)

    _same(place, USERS, search, resources.user_document, text)


@MANY
@given(text=filters(["displayName", "externalId", "id", "members", "members.value"]))
def test_groups(place: Server, text: str) -> None:
    _same(place, GROUPS, identity.search_groups, resources.group_document, text)


def test_what_the_store_has_no_columns_for(sqlite_server: Server) -> None:
    server = sqlite_server
    create(server, "ann", name={"familyName": "Lee"}, emails=[{"type": "work", "value": "a@w"}])
    create(server, "bob", title="Boss", emails=[{"type": "home", "value": "a@w"}])
    create(server, "cat")
    get = server.root.get
    for text, found in (
        ('name.familyName eq "LEE"', ["Ann"]),
        ('emails[type eq "work" and value co "@w"]', ["Ann"]),
        ('emails.type eq "home" or title eq "boss"', ["Bob"]),
        ('not (emails.value eq "a@w")', ["Cat"]),
        ('emails eq "cat@example.com"', ["Cat"]),
        ("title pr and active eq true", ["Bob"]),
        ('title eq "x" or userName sw "c"', ["Cat"]),
        ("urn:ietf:params:scim:schemas:core:2.0:User:title pr", ["Bob"]),
    ):
        query = {"filter": text, "sortBy": "userName"}
        assert names(get(PATH, params=query)) == found, text
    page = get(PATH, params={"filter": "emails pr", "sortBy": "title", "startIndex": 1, "count": 1})
    assert names(page) == ["Bob"]
    assert page.json()["totalResults"] == 3
    for text in ('nothing eq "x"', 'name eq "x"', "active gt true", "title gt null",
                 'title pr or active eq "?"', 'meta.created gt "soon"',
                 'emails[type[a pr] eq "x"]'):  # fmt: skip
        answer = get(PATH, params={"filter": text})
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidFilter"), text
