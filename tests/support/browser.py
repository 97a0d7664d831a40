"""A browser as the server sees it: it keeps cookies, says where its requests come from, and a page
in it sends the CSRF token that it was told."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.server import Server

SESSION = "/api/v1/session"
SESSIONS = "/api/v1/sessions"
PASSWORD = "wet garage lantern pilot"


class Browser:
    """One browser on one page of the server, or of somebody else (`origin`)."""

    def __init__(self, server: Server, base: str = "http://127.0.0.1:8000") -> None:
        self.http = httpx.Client(transport=server.http._transport, base_url=base)
        self.origin = base
        self.csrf: str | None = None

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request of the page. Options are those of `httpx.Client.request`."""
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        if self.csrf is not None:
            headers["X-CSRF-Token"] = self.csrf
        headers |= dict(options.pop("headers", None) or {})
        sent = {name: value for name, value in headers.items() if value is not None}
        return self.http.request(method, path, headers=sent, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def sign_in(self, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
        """Ask for a session, and keep the CSRF token of one that was given."""
        answer = self.post(SESSION, json={"email": email, "password": password, **more})
        if answer.status_code == 200:
            self.csrf = answer.json()["csrfToken"]
        return answer

    @property
    def cookie(self) -> str | None:
        """The session's secret."""
        found = (self.http.cookies.get(n) for n in ("dragoman_session", "__Host-dragoman_session"))
        return next((value for value in found if value), None)
