"""The table of docs/permissions.md is what the server does: each use of each operation, asked by
each kind of principal through the application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from dragoman.app import routes
from scripts import permissions_docs
from scripts.permissions_docs import (
    BAD_TOKEN,
    COLUMNS,
    FORBIDDEN,
    HIDDEN,
    NO_TOKEN,
    UNKNOWN,
    YES,
    Key,
    Row,
)
from tests.security.walk import World, walking
from tests.support.server import settings_for

USES: dict[Key, Row] = {row.key: row for route in routes() for row in permissions_docs.rows(route)}
Outcomes = dict[Key, dict[str, str]]


@pytest.fixture(scope="module")
def page() -> str:
    return permissions_docs.PAGE.read_text("utf-8")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """The status and the beginning of each answer."""
    return asyncio.run(_walk(tmp_path_factory.mktemp("walk")))


def test_the_page_is_current(page: str) -> None:
    assert permissions_docs.current(page) == page, "run python -m scripts.permissions_docs"


def test_the_page_names_every_operation(page: str) -> None:
    assert set(permissions_docs.read(page)) == set(USES)


def test_the_page_is_what_the_server_does(page: str, walked: Outcomes) -> None:
    told = permissions_docs.read(page)
    heads = [column.head for column in COLUMNS]
    wrong = [
        f"{key}: {head}: the page says {told[key][head]}, the server {outcomes[head]}"
        for key, outcomes in walked.items()
        for head in heads
        if told[key][head] != _class(outcomes[head])
    ]
    assert not wrong, "\n".join(wrong)


def test_a_token_that_is_not_good_is_no_token(page: str, walked: Outcomes) -> None:
    told = permissions_docs.read(page)
    for key, outcomes in walked.items():
        for bad in World.BAD_TOKENS:
            expected = told[key][NO_TOKEN if bad == "none" else BAD_TOKEN]
            code = outcomes[bad][:3]
            assert expected in (code, _class(outcomes[bad])), (key, bad, outcomes[bad])


def test_nothing_broke_on_the_way(walked: Outcomes) -> None:
    broken = [(key, o) for key, outcomes in walked.items() for o in outcomes.values() if o > "500"]
    assert [each for each in broken if not each[1].startswith(("501", "502", "503"))] == []


async def _walk(home: Path) -> Outcomes:
    """Every use of every operation, by everybody. Nothing can be dialled."""
    async with walking(settings_for(home, egress="list", isolate="off")) as (world, client):
        return {
            row.key: {
                head: await _ask(client, world, row, head, token)
                for head, token in world.tokens.items()
            }
            for row in USES.values()
        }


async def _ask(
    client: httpx.AsyncClient, world: World, row: Row, head: str, token: str | None
) -> str:
    asked = world.ask(row.route, row.when, head)
    headers: Mapping[str, str] = (
        asked.headers if token is None else {**asked.headers, "Authorization": f"Bearer {token}"}
    )
    answer = await client.request(row.route.method, asked.path, json=asked.body, headers=headers)
    return f"{answer.status_code} {answer.text[:150]}"


def _class(outcome: str) -> str:
    code = outcome[:3]
    return code if code in (UNKNOWN, FORBIDDEN, HIDDEN) else YES
