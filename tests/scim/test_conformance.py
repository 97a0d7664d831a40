"""A public client that checks SCIM servers (scim2-tester) finds nothing wrong with this one."""

from __future__ import annotations

import inspect
import sys
import uuid
from collections.abc import Callable
from typing import Any
from unittest import mock

import httpx
import pytest

from tests.scim.test_server import define
from tests.support.clients import Client
from tests.support.server import Server


@pytest.fixture(autouse=True, scope="module")
def quickly_imported() -> None:
    """Imports that would take seconds in each process that collects the tests. Pydantic looks
    through all modules for the one of each class, which its frame names."""
    real = inspect.getmodule

    def named(thing: Any, *given: Any) -> Any:
        if inspect.isframe(thing):
            return sys.modules.get(thing.f_globals["__name__"])
        return real(thing, *given)

    with mock.patch.object(inspect, "getmodule", named):
        import scim2_tester  # noqa: F401


def _client(client: Client) -> Any:
    """Its requests are made as all others of these tests are."""
    from scim2_client import BaseSyncSCIMClient

    class Ours(BaseSyncSCIMClient):
        def _make_url(self, url: str) -> str:
            return url if url.startswith("http") else f"/api/scim/v2{url}"

        def _parse_json(self, response: Any) -> Any:
            body = response.json()
            if "urn:ietf:params:scim:api:messages:2.0:Error" in body["schemas"]:
                # Every error of the server has two more keys, of which RFC 7644 says nothing.
                assert body.pop("error")
                assert body.pop("message")
            return body

        def _query_kwargs(self, payload: dict[str, Any]) -> dict[str, Any]:
            return {"params": payload}

        def request(self, method: str, url: str, **options: Any) -> httpx.Response:
            return client.request(method, self._make_url(url), **options)

    return Ours()


@pytest.fixture
def checks() -> Any:
    """The checks as they can be met. They make up a text for `userName`; that it is an e-mail
    address here, no schema can say."""
    from scim2_tester import filling
    from scim2_tester.checkers import patch_add, patch_replace

    known: Callable[..., Any] = filling.get_random_example_value

    def example(path: Any) -> Any:
        return f"{uuid.uuid4()}@example.com" if str(path).endswith("userName") else known(path)

    with (
        mock.patch.object(filling, "get_random_example_value", example),
        mock.patch.object(patch_add, "fields_equality", same),
        mock.patch.object(patch_replace, "fields_equality", same),
    ):
        yield


def same(sent: Any, found: Any) -> bool:
    """Whether all that was sent is there. What the server says besides (`display` of a member,
    which is read-only) is no difference; to the checks it would be one."""
    sent, found = (
        each.model_dump() if hasattr(each, "model_dump") else each for each in (sent, found)
    )
    if isinstance(sent, list) and isinstance(found, list):
        return len(sent) == len(found) and all(map(same, sent, found))
    if isinstance(sent, dict) and isinstance(found, dict):
        return sent == {key: found.get(key) for key in sent}
    return sent == found


@pytest.mark.usefixtures("checks")
def test_checks_find_nothing(sqlite_server: Server) -> None:
    from scim2_tester import Status, check_server

    define(sqlite_server, "region")
    define(sqlite_server, "stores", several=True)
    results = check_server(_client(sqlite_server.root))
    wrong = [r for r in results if r.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert [f"{r.resource_type} {r.title}: {r.reason}" for r in wrong] == []
    skipped = {str(r.title) for r in results if r.status is Status.SKIPPED}
    assert skipped <= {"search_with_attributes"}
    assert len(results) > 60
