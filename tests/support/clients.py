"""A client of the server under test that sends its token with each request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


class Client:
    """An HTTP client for one token; None sends none."""

    def __init__(self, http: httpx.Client, token: str | None) -> None:
        self._http = http
        self.token = token

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request. Options are those of `httpx.Client.request`."""
        headers = dict(options.pop("headers", None) or {})
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return self._http.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Any) -> httpx.Response:
        return self.request("HEAD", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)


def at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """The results of `count` calls made at the same time, each on a thread of its own."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(call, range(count)))


def assert_error(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The answer is an error of this status with both pairs of keys; gives its body."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["error"] == str(status)
    assert body["status"] == status
    assert body["message"]
    assert body["message"] == body["detail"]
    assert "Traceback" not in answer.text
    return body
