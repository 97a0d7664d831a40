"""The scripts of the pages, run by Node.js: where they lead whoever signs in."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from dragoman.signin import page

HERE = "http://data.example.com"
STATIC = Path(page.__file__).with_name("static")
HARNESS = Path(__file__).parents[1] / "support" / "page.js"
NODE = shutil.which("node")
ANN = {"kind": "session", "name": "ann@example.com", "csrfToken": "token"}
PROVIDER = {"name": "Work", "url": "/signin/oidc/work/start"}
WAYS = {"password": True, "mail": False, "providers": [PROVIDER]}
CALLBACK = {"client_id": "omni-cli", "redirect_uri": "http://localhost:5/callback"}

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


def run(
    script: str, path: str, answers: dict[str, Any], press: str = "", **query: str
) -> dict[str, Any]:
    """What the page's script did, opened with that query."""
    url = f"{HERE}{path}?{urlencode(query)}" if query else f"{HERE}{path}"
    known = {name: [body is not None, body or {"message": "Unauthorized"}]
             for name, body in answers.items()}  # fmt: skip
    command = [str(NODE), str(HARNESS), str(STATIC / script), url, json.dumps(known), press]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def signed_in(next_page: str) -> dict[str, Any]:
    answers = {"/api/v1/session/ways": WAYS, "/api/v1/session": ANN}
    return run("signin.js", "/signin", answers, next=next_page)


def test_whoever_signs_in_goes_on_to_where_they_came_from() -> None:
    found = signed_in("/oauth/authorize?a=1")
    assert found["went"] == [f"{HERE}/oauth/authorize?a=1"]
    assert found["links"] == ["/signin/oidc/work/start?next=%2Foauth%2Fauthorize%3Fa%3D1"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example/x",
        "https://evil.example",
        "http://[",
        "javascript:alert(1)",
        "/\\evil.example",
        "\t//evil.example",
        "/.//evil.example/x",
        "/a/..//evil.example",
    ],
)
def test_no_page_of_somebody_else(elsewhere: str) -> None:
    found = signed_in(elsewhere)
    assert found["went"] == []
    assert found["links"] == ["/signin/oidc/work/start"]
    assert found["texts"] == ANN["name"]


def test_consent_is_asked_of_who_is_signed_in() -> None:
    path, session = "/oauth/authorize", "/api/v1/session"
    [place] = run("authorize.js", path, {session: None}, **CALLBACK)["went"]
    assert place.startswith(f"{HERE}/signin?next=%2Foauth%2Fauthorize%3F")
    enrolling = {**ANN, "kind": "enrolling"}
    assert run("authorize.js", path, {session: enrolling}, **CALLBACK)["went"] == [place]
    shown = run("authorize.js", path, {session: ANN}, **CALLBACK)
    assert shown["went"] == []
    assert "consent" in shown["shown"]
    back = "http://localhost:5/callback?code=x"
    answers = {session: ANN, path: {"location": back}}
    done = run("authorize.js", path, answers, "consent", **CALLBACK)
    assert done["went"] == [back]
    method, asked, headers = done["asked"][-1]
    assert (method, asked, headers["X-CSRF-Token"]) == ("POST", path, "token")
