"""How a body is read: in time, as one object, and to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from dragoman.api import call
from dragoman.api.call import decode_object, typed
from dragoman.api.errors import BadRequest
from tests.support.server import CONNECTIONS, Server


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5, null, true, "\\u00e9\\n"]} ', {"a": [1, 2.5, None, True, "é\n"]}),
        (b'{"a": {"x": 1}, "b": {"x": 2}}', {"a": {"x": 1}, "b": {"x": 2}}),
        (b'{"a": 12345678901234567890123}', {"a": 12345678901234567890123}),
        ('{"é": "💥"}'.encode(), {"é": "💥"}),
        (b'{"a": "\\ud83d\\udca5"}', {"a": "💥"}),
    ],
)
def test_objects(raw: bytes, value: object) -> None:
    assert decode_object(raw) == value


def test_key_given_twice_at_the_end_of_a_large_body_is_found_at_once() -> None:
    many = ",".join(f'"k{number}": 1' for number in range(60_000))
    with pytest.raises(BadRequest, match="'k59999' is given twice"):
        decode_object(f'{{{many}, "k59999": 2}}'.encode())


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (rb'{"name": "a\u0000b"}', "name: "),
        (rb'{"rows": [{"x": 1}, {"x": {"y": ["\u0000"]}}]}', "y: "),
        (rb'{"a\u0000": 1}', ""),
        (rb'{"a": {"\u0000": 1}}', ""),
    ],
)
def test_nul_is_refused_wherever_it_stands(raw: bytes, where: str) -> None:
    with pytest.raises(BadRequest, match=f"^Bad Request: {where}must not have the character NUL"):
        typed(decode_object(raw), dict)


def test_a_deep_body_is_no_crash() -> None:
    deep = decode_object(b'{"a":' * 900 + b'"\\u0000"' + b"}" * 900)
    with pytest.raises(BadRequest, match="a: must not have"):
        typed(deep, dict)


def answer_of(server: Server, parts: Iterable[dict[str, Any]], wait: float = 0) -> int:
    """The status of a POST whose body arrives in these ASGI messages."""
    token = server.root.token

    async def run() -> int:
        sent: list[dict[str, Any]] = []
        left = iter(parts)

        async def receive() -> dict[str, Any]:
            message = next(left, None)
            if message is None:
                await asyncio.sleep(wait)
                return {"type": "http.disconnect"}
            return message

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": CONNECTIONS, "query_string": b"",
            "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
            "headers": [(b"authorization", f"Bearer {token}".encode())],
        }  # fmt: skip
        await server.app(scope, receive, send)
        return sent[0]["status"]

    assert server.http.portal is not None
    return server.http.portal.call(run)


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_body_that_ends_early(sqlite_server: Server) -> None:
    assert answer_of(sqlite_server, [part(b'{"dialect": ')]) == 400
    assert sqlite_server.sql("SELECT count(*) FROM connections") == [(0,)]


def test_body_that_comes_too_slowly(sqlite_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "BODY_SECONDS", 0.1)
    assert answer_of(sqlite_server, [part(b'{"dialect": ')], wait=20) == 408


def test_body_in_many_parts(sqlite_server: Server) -> None:
    raw = b'{"dialect": "duckdb", "name": "x", "database": ":memory:"}'
    parts = [part(raw[place : place + 1]) for place in range(len(raw))]
    assert answer_of(sqlite_server, [*parts, part(b"", more=False)]) == 201


def test_a_body_that_is_too_large_is_read_on_so_that_the_answer_arrives(
    sqlite_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is cut off while sending sees a broken connection, and no 413."""
    most = sqlite_server.house.settings.max_body_bytes
    taken: list[int] = []

    def parts(count: int) -> Iterator[dict[str, Any]]:
        for number in range(count):
            taken.append(number)
            yield part(b"x" * (most // 2 + 1), number < count - 1)

    assert answer_of(sqlite_server, parts(6)) == 413
    assert len(taken) == 6
    taken.clear()
    monkeypatch.setattr(call, "LINGER_BYTES", most)
    assert answer_of(sqlite_server, parts(1000)) == 413
    assert len(taken) < 6
