"""Requests a minute for each token, refused tokens a minute for each address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.observability import metrics
from dragoman.secret import SecretStr
from tests.support.clients import Client, assert_error
from tests.support.engines import Engine
from tests.support.server import CONNECTIONS, Server, running_server, settings_for
from tests.support.servers import refusing, serving


@pytest.fixture(autouse=True)
def early_in_the_minute() -> None:
    """The limiter's windows begin with the minute; at its end two of them would count."""
    left = 60 - time.time() % 60
    if left < 8:
        time.sleep(left)


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Server]:
    with running_server(settings_for(tmp_path, rate_limit_per_minute=60)) as server:
        yield server


def statuses(client: Client, times: int, path: str = CONNECTIONS) -> list[int]:
    return [client.get(path).status_code for _ in range(times)]


def test_sixty_first_request_is_told_to_wait(limited: Server) -> None:
    client = limited.root
    assert statuses(client, 60) == [200] * 60
    answer = client.get(CONNECTIONS)
    told = assert_error(answer, 429)
    assert told["message"] == "Too Many Requests - Rate limit exceeded (60 requests/minute)"
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 120
    assert answer.headers["RateLimit-Policy"] == '"default";q=60;w=60'
    assert answer.headers["RateLimit"] == f'"default";r=0;t={wait}'
    assert answer.headers["X-RateLimit-Limit"] == "60"
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert abs(int(answer.headers["X-RateLimit-Reset"]) - (time.time() + wait)) < 5


def test_each_token_has_its_own_count_and_health_has_none(limited: Server) -> None:
    statuses(limited.root, 60)
    assert limited.root.get(CONNECTIONS).status_code == 429
    assert limited.client(limited.key("other")).get(CONNECTIONS).status_code == 200
    assert set(statuses(limited.anonymous, 70, "/healthz")) == {200}


def test_zero_is_off(sqlite_server: Server) -> None:
    assert set(statuses(sqlite_server.root, 130)) == {200}


def test_refused_tokens_are_limited_for_each_address(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, login_failures_per_minute=5)
    with running_server(settings, "192.0.2.1") as server:
        wrong = server.client("omni_osk_wrong")
        assert statuses(wrong, 7) == [401] * 5 + [429] * 2
        assert wrong.get(CONNECTIONS).headers["Retry-After"]
        assert assert_error(wrong.get(CONNECTIONS), 429)
        # A good token still works from there: an office shares one address.
        assert server.root.get(CONNECTIONS).status_code == 200
        server.http._transport.client = ("192.0.2.2", 1)  # type: ignore[attr-defined]
        assert wrong.get(CONNECTIONS).status_code == 401


def test_processes_share_the_count_in_redis(tmp_path: Path, redis_server: Engine) -> None:
    redis_url = SecretStr(f"redis://:{redis_server.password}@127.0.0.1:{redis_server.port}/0")
    shared: dict[str, Any] = {"rate_limit_per_minute": 10, "redis_url": redis_url}
    settings = settings_for(tmp_path, **shared)
    with running_server(settings) as one, running_server(settings) as other:
        token = one.key()
        answers = statuses(one.client(token), 5) + statuses(other.client(token), 5)
        assert answers == [200] * 10
        assert one.client(token).get(CONNECTIONS).status_code == 429
        assert other.client(token).get(CONNECTIONS).status_code == 429


def failures() -> float:
    [family] = metrics.LIMITER_FAILURES.collect()
    return next(s.value for s in family.samples if s.name.endswith("_total"))


def test_without_redis_requests_pass_and_are_counted(tmp_path: Path) -> None:
    with refusing() as port:
        url = SecretStr(f"redis://127.0.0.1:{port}/0")
        settings = settings_for(tmp_path, rate_limit_per_minute=2, redis_url=url)
        with running_server(settings) as server:
            before = failures()
            assert statuses(server.root, 4) == [200] * 4
            assert failures() == before + 4


def test_redis_that_never_answers_does_not_hold_requests_up(tmp_path: Path) -> None:
    def silent(client: Any) -> None:
        while client.recv(4096):
            pass

    with serving(silent) as port:
        url = SecretStr(f"redis://127.0.0.1:{port}/0")
        settings = settings_for(tmp_path, rate_limit_per_minute=2, redis_url=url)
        with running_server(settings) as server:
            client, began = server.root, time.monotonic()
            assert client.get(CONNECTIONS).status_code == 200
            assert time.monotonic() - began < 8
