"""The body of a question, and the time zone of its session."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.api.errors import BadRequest
from dragoman.queries.schemas import Question, question
from dragoman.queries.zones import session_zone


def test_a_question_needs_its_statement_only() -> None:
    assert question({"sql": "SELECT 1"}) == Question("SELECT 1", None, None)
    assert question({"sql": "SELECT 1", "limit": None, "timezone": None}) == Question("SELECT 1")
    full = {"sql": "SELECT 1", "limit": 0, "timezone": "Europe/Berlin"}
    assert question(full) == Question("SELECT 1", 0, "Europe/Berlin")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["sql"]),
        ({"sql": None}, ["sql"]),
        ({"sql": " \n"}, ["sql"]),
        ({"sql": 1}, ["sql"]),
        ({"sql": "x", "limit": -1}, ["limit"]),
        ({"sql": "x", "limit": True}, ["limit"]),
        ({"sql": "x", "limit": 1.5}, ["limit"]),
        ({"sql": "x", "limit": "5"}, ["limit"]),
        ({"sql": "x", "timezone": "Mars/Olympus"}, ["timezone"]),
        ({"sql": "x", "timezone": "../../etc/passwd"}, ["timezone"]),
        ({"sql": "x", "timezone": ["UTC"]}, ["timezone"]),
        ({"sql": "x", "query": "y"}, ["query"]),
        ({"rows": 1, "limit": -1, "timezone": ""}, ["rows", "sql", "limit", "timezone"]),
    ],
)
def test_all_problems_of_a_body_are_told_at_once(body: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(BadRequest) as refused:
        question(body)
    assert [error.field for error in refused.value.errors] == fields
    assert all(error.fix for error in refused.value.errors)


@pytest.mark.parametrize(
    ("settings", "asked", "zone", "warned"),
    [
        ({}, None, "UTC", False),
        ({"queryTimezone": "NONE"}, None, "UTC", False),
        ({"queryTimezone": "Asia/Tokyo"}, None, "Asia/Tokyo", False),
        ({"queryTimezone": "Asia/Tokyo"}, "Europe/Berlin", "Asia/Tokyo", True),
        ({"queryTimezone": "Asia/Tokyo"}, "Asia/Tokyo", "Asia/Tokyo", False),
        ({"allowsUserSpecificTimezones": False}, "Europe/Berlin", "UTC", True),
        ({"allowsUserSpecificTimezones": True}, "Europe/Berlin", "Europe/Berlin", False),
        (
            {"allowsUserSpecificTimezones": True, "queryTimezone": "Asia/Tokyo"},
            None,
            "Asia/Tokyo",
            False,
        ),
    ],
)
def test_the_zone_of_the_session(
    settings: dict[str, Any], asked: str | None, zone: str, warned: bool
) -> None:
    chosen, warnings = session_zone(settings, asked)
    assert chosen == zone
    assert bool(warnings) is warned
