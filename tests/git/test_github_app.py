"""Repositories opened by a GitHub App, against a stub of GitHub's API beside a real git server."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from dragoman.gitremote import parse_address
from dragoman.gitremote.githubapp import api_of
from tests.git.conftest import ORDERS, Kept, new_model
from tests.support.certificates import Certificates
from tests.support.gitserver import TOKEN, Bare, https_server
from tests.support.server import Server

KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    old = form.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(form.Encoding.PEM, old, form.NoEncryption()).decode()


@dataclass
class GitHub:
    """Knows one App with one installation on one repository."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    repository: str = "repo"

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        statement = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
        self.asked.append({"path": environ["PATH_INFO"], **body})
        status, answer = self._answer(environ["PATH_INFO"], statement, body)
        start(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def _answer(self, path: str, statement: str, body: Any) -> tuple[str, dict[str, Any]]:
        signed, _, signature = statement.rpartition(".")
        try:
            KEY.public_key().verify(
                decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return "401 Unauthorized", {"message": "A JSON web token could not be decoded"}
        head, claims = (json.loads(decoded(part)) for part in signed.split("."))
        assert head == {"alg": "RS256", "typ": "JWT"}
        assert claims["iss"] == "4711"
        assert claims["iat"] <= time.time() < claims["exp"] <= claims["iat"] + 600
        if path != "/api/v3/app/installations/99/access_tokens":
            return "404 Not Found", {"message": "Not Found"}
        if body["repositories"] != [self.repository]:
            return "422 Unprocessable Entity", {"message": "There is at least one repository"}
        return "201 Created", {"token": TOKEN, "expires_at": "2026-01-01T00:00:00Z"}


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.fixture
def github() -> GitHub:
    return GitHub()


@pytest.fixture
def kept(
    gitted: Server, tmp_path: Path, bare: Bare, certificates: Certificates, github: GitHub
) -> Iterator[Kept]:
    with https_server(tmp_path / "served", certificates.good, api=github) as server:
        yield Kept(gitted, new_model(gitted), server, bare, gitted.root)


def configure(kept: Kept, **changes: Any) -> dict[str, Any]:
    body = {
        "cloneUrl": kept.https.url(), "authMethod": "github_app", "githubAppId": "4711",
        "githubAppInstallationId": "99", "githubAppPrivateKey": pem(KEY), "modelPath": "m",
        **changes,
    }  # fmt: skip
    answer = kept.client.post(kept.path, json=body)
    assert answer.status_code == 201, answer.text
    assert "PRIVATE" not in answer.text
    return answer.json()


def test_a_sync_with_the_installations_token(kept: Kept, github: GitHub) -> None:
    made = configure(kept)
    assert (made["authMethod"], made["githubAppId"]) == ("github_app", "4711")
    assert made["githubAppInstallationId"] == "99"
    kept.save({"a.view": ORDERS})
    assert kept.sync()["inSync"]
    assert kept.in_git() == {"a.view.yaml": ORDERS}
    wanted = {"repositories": ["repo"], "permissions": {"contents": "write"}}
    assert {name: github.asked[0][name] for name in wanted} == wanted
    stored = str(kept.server.sql("SELECT * FROM sealed_secrets"))
    assert "PRIVATE KEY" not in stored
    assert TOKEN not in stored


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"githubAppPrivateKey": pem(OTHER)}, "does not accept the App's key"),
        ({"githubAppInstallationId": "98"}, "no such installation"),
        ({"repository": "other"}, "gives the App no token for repo"),
    ],
)
def test_what_github_refuses(
    kept: Kept, github: GitHub, changes: dict[str, str], told: str
) -> None:
    github.repository = changes.get("repository", "repo")
    configure(kept, **{name: value for name, value in changes.items() if name != "repository"})
    answer = kept.client.post(f"{kept.path}/sync", json={})
    assert answer.status_code == 502, answer.text
    assert told in answer.json()["message"]


def test_a_changed_installation_needs_no_new_key(kept: Kept) -> None:
    configure(kept, githubAppInstallationId="98")
    answer = kept.client.patch(kept.path, json={"githubAppInstallationId": "99"})
    assert answer.status_code == 200, answer.text
    assert kept.sync()["inSync"]
    back = kept.client.patch(kept.path, json={"authMethod": "https_token", "token": TOKEN})
    assert back.json()["githubAppId"] is None
    assert kept.sync()["inSync"]


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("https://github.com/a/b.git", "api.github.com"),
        ("https://acme.ghe.com/a/b", "api.acme.ghe.com"),
        ("https://github.acme.example:8443/a/b", "github.acme.example:8443/api/v3"),
    ],
)
def test_where_the_api_is(url: str, api: str) -> None:
    found = api_of(parse_address(url))
    port = "" if found.port == 443 else f":{found.port}"
    assert f"{found.host}{port}{found.path}" == api
