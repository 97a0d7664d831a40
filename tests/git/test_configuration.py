"""The configuration of a model's repository: every field, every refusal, and where secrets go."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ed25519

from dragoman.app import SEALED
from dragoman.gitremote import hosts, parse_address
from dragoman.vault import KEY_FILE_NAME, KeyRing, rotation, update_keyring
from tests.git.conftest import new_model
from tests.support.clients import assert_error
from tests.support.server import Server

SSH = "git@git.example.com:org/repo.git"
HTTPS = "https://git.example.com/org/repo.git"
TOKEN = "glpat-MARK4711"
APP = {
    "authMethod": "github_app", "githubAppId": "7", "githubAppInstallationId": "8",
    "githubAppPrivateKey": "MARK4711",
}  # fmt: skip
NEEDED = {
    "authMethod", "baseBranch", "branchPerPullRequest", "cloneUrl", "gitFollower",
    "gitServiceProvider", "modelPath", "publicKey", "requirePullRequest", "sshUrl", "webUrl",
    "webhookUrl",
}  # fmt: skip


@pytest.fixture
def path(server: Server) -> str:
    return f"/api/v1/models/{new_model(server, 'Sales & more').id}/git"


def create(server: Server, path: str, **body: Any) -> dict[str, Any]:
    answer = server.root.post(path, json={"cloneUrl": SSH, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def private(passphrase: bytes | None = None) -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    lock = form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption()
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, lock).decode()


def test_defaults(server: Server, path: str) -> None:
    made = create(server, path)
    assert made.keys() >= NEEDED
    assert "webhookSecret" not in made
    assert made["publicKey"].startswith("ssh-ed25519 AAAA")
    model_id = path.split("/")[4]
    assert {name: made[name] for name in NEEDED - {"publicKey"}} == {
        "authMethod": "ssh", "baseBranch": "main", "branchPerPullRequest": False,
        "cloneUrl": SSH, "sshUrl": SSH, "gitFollower": False, "gitServiceProvider": "auto",
        "modelPath": "omni/Sales_more", "requirePullRequest": "never", "webUrl": None,
        "webhookUrl": f"http://127.0.0.1:8000/api/webhooks/model/{model_id}",
    }  # fmt: skip
    assert server.root.get(path).json() == made


def test_every_field(server: Server, path: str) -> None:
    sent = {
        "authMethod": "https_token", "baseBranch": "trunk/x", "branchPerPullRequest": True,
        "cloneUrl": HTTPS, "gitFollower": True, "gitServiceProvider": "gitlab",
        "modelPath": "/bi/models", "requirePullRequest": "users-only", "token": TOKEN,
        "webUrl": "https://web.example.com/org/repo",
    }  # fmt: skip
    made = create(server, path, **sent)
    assert {**sent, "token": None} == {**{name: made.get(name) for name in sent}, "token": None}
    assert made["publicKey"] is None
    back = {name: made[name] for name in NEEDED - {"publicKey", "webhookUrl"}}
    assert server.root.patch(path, json=back).json() == made


def test_the_webhook_secret_is_told_only_when_asked_for(server: Server, path: str) -> None:
    create(server, path)
    told = server.root.get(f"{path}?include=webhookSecret").json()
    assert len(told["webhookSecret"]) > 30
    assert_error(server.root.get(f"{path}?include=token"), 400)
    assert (
        told["webhookSecret"]
        == server.root.get(path + "?include=webhookSecret").json()["webhookSecret"]
    )


def test_secrets_are_sealed_and_never_answered(server: Server, path: str) -> None:
    text = private(b"geheim-4711")
    sent = {"deployPrivateKey": text, "deployKeyPassphrase": "geheim-4711"}
    answers = [server.root.post(path, json={"cloneUrl": SSH, **sent}), server.root.get(path)]
    answers.append(server.root.get("/api/v1/audit-log"))
    answers.append(
        server.root.patch(
            path, json={"authMethod": "https_token", "cloneUrl": HTTPS, "token": TOKEN}
        )
    )
    marks = ["geheim-4711", TOKEN, *[line for line in text.splitlines() if len(line) > 40]]
    for answer in answers:
        assert answer.status_code in (200, 201)
        assert not [mark for mark in marks if mark in answer.text]
    for table in ("sealed_secrets", "model_git", "audit_log"):
        rows = str(server.sql(f"SELECT * FROM {table}"))
        assert not [mark for mark in marks if mark in rows]
    kept = server.sql("SELECT property FROM sealed_secrets ORDER BY property")
    assert kept == [("token",), ("webhookSecret",)]


def test_rotation_wraps_these_secrets_too(server: Server, path: str) -> None:
    create(server, path)
    before = server.root.get(f"{path}?include=webhookSecret").json()
    update_keyring(server.home / KEY_FILE_NAME, KeyRing.rotated)
    primary = server.house.keys.current().primary.id
    store, vault = server.house.store, server.house.vault
    count = len(server.sql("SELECT 1 FROM connection_secrets")) + 2
    assert rotation.rotate(store, vault, SEALED) == count
    assert server.sql("SELECT DISTINCT key_id FROM sealed_secrets") == [(primary,)]
    assert server.root.get(f"{path}?include=webhookSecret").json() == before


def test_a_second_configuration_and_none(server: Server, path: str) -> None:
    for answer in (
        server.root.get(path), server.root.patch(path, json={}), server.root.delete(path)
    ):  # fmt: skip
        body = assert_error(answer, 404)
        assert body["message"] == "Git configuration not found for this model"
    for call in ("sync", "commit"):
        sent = {"branch_id": str(uuid.uuid4()), "commit_message": "x"} if call == "commit" else {}
        assert_error(server.root.post(f"{path}/{call}", json=sent), 403)
    create(server, path)
    again = server.root.post(path, json={"cloneUrl": SSH})
    assert assert_error(again, 409)["message"] == "Git already configured for this model"
    done = server.root.delete(path)
    assert done.json() == {"success": True, "message": "Git repository unlinked successfully"}
    assert server.sql("SELECT * FROM sealed_secrets") == []
    assert_error(server.root.get(path), 404)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"cloneUrl": None}, "cloneUrl"),
        ({"cloneUrl": "/srv/repo.git"}, "cloneUrl"),
        ({"cloneUrl": "file:///srv/repo.git"}, "cloneUrl"),
        ({"cloneUrl": HTTPS}, "Invalid SSH URL"),
        ({"cloneUrl": "http://git.example.com/r.git", "authMethod": "https_token"}, "cloneUrl"),
        ({"authMethod": "https_token", "token": "x"}, "HTTPS URL"),
        ({"cloneUrl": HTTPS, "authMethod": "https_token"}, "token: Required"),
        ({"cloneUrl": HTTPS, "authMethod": "https_token", "token": "a b"}, "token"),
        ({"cloneUrl": HTTPS, "authMethod": "https_token", "token": "x" * 1001}, "token"),
        ({"token": "x"}, "only with authMethod https_token"),
        ({"authMethod": "github_app"}, "HTTPS URL"),
        ({"cloneUrl": HTTPS, **APP, "githubAppId": None}, "githubAppId: Required"),
        ({"cloneUrl": HTTPS, **APP, "githubAppPrivateKey": None}, "githubAppPrivateKey: Required"),
        ({"cloneUrl": HTTPS, **APP, "githubAppId": "x"}, "githubAppId"),
        ({"cloneUrl": HTTPS, **APP}, "Invalid key format"),
        ({"githubAppId": "1"}, "only with authMethod github_app"),
        ({"rotateSigningKey": True}, "only with signCommits"),
        ({"committerEmail": "nobody"}, "committerEmail"),
        ({"committerName": "a\nb"}, "committerName"),
        ({"sshUrl": "git@other.example.com:a/b.git"}, "differs from cloneUrl"),
        ({"baseBranch": "a..b"}, "baseBranch"),
        ({"baseBranch": "a b"}, "baseBranch"),
        ({"baseBranch": ""}, "baseBranch"),
        ({"modelPath": "../x"}, "modelPath"),
        ({"modelPath": "a//b"}, "modelPath"),
        ({"modelPath": "/a/.git/b"}, "modelPath"),
        ({"modelPath": ""}, "modelPath"),
        ({"requirePullRequest": "sometimes"}, "requirePullRequest"),
        ({"gitServiceProvider": "svn"}, "gitServiceProvider"),
        ({"webUrl": "javascript:alert(1)"}, "webUrl"),
        ({"hostKey": "nonsense"}, "hostKey"),
        ({"unknown": 1}, "unknown"),
        ({"deployPrivateKey": "nonsense"}, "Invalid key format"),
        ({"deployPrivateKey": private(b"x")}, "Encrypted key requires deployKeyPassphrase"),
        ({"deployPrivateKey": private(b"x"), "deployKeyPassphrase": "y"}, "Wrong passphrase"),
        ({"deployKeyPassphrase": "y"}, "needs deployPrivateKey"),
    ],
)
def test_refused(sqlite_server: Server, body: dict[str, Any], told: str) -> None:
    path = f"/api/v1/models/{new_model(sqlite_server).id}/git"
    sent = {k: v for k, v in {"cloneUrl": SSH, **body}.items() if v is not None}
    assert told in assert_error(sqlite_server.root.post(path, json=sent), 400)["message"]
    assert sqlite_server.sql("SELECT * FROM sealed_secrets") == []


def test_a_secret_never_moves_to_another_host(server: Server, path: str) -> None:
    create(server, path, authMethod="https_token", cloneUrl=HTTPS, token=TOKEN)
    for elsewhere in ("https://evil.example.com/r.git", "https://git.example.com:444/r.git"):
        answer = server.root.patch(path, json={"cloneUrl": elsewhere})
        assert assert_error(answer, 400)["code"] == "secret_required"
    other = "https://git.example.com/org/other.git"
    assert server.root.patch(path, json={"cloneUrl": other}).status_code == 200
    assert server.root.get(path).json()["cloneUrl"] == other


def test_keys_at_another_host(server: Server, path: str) -> None:
    made = create(server, path, hostKey="ssh-ed25519 AAAA comment")
    assert made["hostKey"] == "ssh-ed25519 AAAA"
    same = server.root.patch(path, json={"cloneUrl": "git@git.example.com:a/b.git"}).json()
    assert (same["publicKey"], same["hostKey"]) == (made["publicKey"], made["hostKey"])
    moved = server.root.patch(path, json={"cloneUrl": "git@other.example.com:a/b.git"}).json()
    # A key of our own is made anew, and the other host's key is not this one's.
    assert moved["publicKey"] != made["publicKey"]
    assert moved["hostKey"] is None
    given = server.root.patch(path, json={"deployPrivateKey": private()})
    assert given.status_code == 200, given.text
    answer = server.root.patch(path, json={"cloneUrl": SSH})
    assert assert_error(answer, 400)["code"] == "secret_required"


def test_who_may(server: Server, path: str) -> None:
    model_id = path.split("/")[4]
    [(connection,)] = server.sql("SELECT connection_id FROM models WHERE id = :id", id=model_id)
    modeler = server.member("mo@example.com", **{connection: "MODELER"})
    querier = server.member("qu@example.com", **{connection: "QUERIER"})
    stranger = server.member("st@example.com", **{connection: "NO_ACCESS"})
    assert modeler.post(path, json={"cloneUrl": SSH}).status_code == 201
    assert modeler.get(path).status_code == 200
    calls = (
        ("GET", "", None), ("POST", "", {"cloneUrl": SSH}), ("PATCH", "", {}),
        ("DELETE", "", None), ("POST", "/sync", {}),
        ("POST", "/commit", {"branch_id": model_id, "commit_message": "x"}),
    )  # fmt: skip
    for method, more, body in calls:
        options = {} if body is None else {"json": body}
        refused = querier.request(method, path + more, **options)
        assert "MANAGE_MODEL" in assert_error(refused, 403)["message"]
        assert_error(stranger.request(method, path + more, **options), 404)
    assert len(server.sql("SELECT * FROM model_git")) == 1


def test_models_that_have_no_repository(server: Server, path: str) -> None:
    connection = server.create()
    answer = server.root.get(f"/api/v1/models/{connection}/git")
    assert "SCHEMA" in assert_error(answer, 400)["message"]
    assert_error(server.root.get(f"/api/v1/models/{uuid.uuid4()}/git"), 404)
    assert_error(server.root.get("/api/v1/models/nonsense/git"), 400)


def test_changes_are_in_the_audit(server: Server, path: str) -> None:
    create(server, path)
    server.root.patch(path, json={"baseBranch": "trunk"})
    server.root.delete(path)
    rows = server.root.get(f"/api/v1/audit-log?resourceId={path.split('/')[4]}").json()
    told = {row["action"]: row for row in rows["records"]}
    assert {"git.create", "git.update", "git.delete"} <= told.keys()
    assert told["git.update"]["before"]["base_branch"] == "main"
    assert told["git.update"]["after"]["base_branch"] == "trunk"


@pytest.mark.parametrize(
    ("clone", "provider", "page", "pull_request"),
    [
        ("git@github.com:org/repo.git", "github", "https://github.com/org/repo",
         "/compare/main...a/b?expand=1"),
        ("https://gitlab.example.com/g/s/repo.git", "gitlab",
         "https://gitlab.example.com/g/s/repo",
         "/-/merge_requests/new?merge_request%5Bsource_branch%5D=a%2Fb"
         "&merge_request%5Btarget_branch%5D=main"),
        ("git@ssh.dev.azure.com:v3/org/project/repo", "azure_devops",
         "https://dev.azure.com/org/project/_git/repo",
         "/pullrequestcreate?sourceRef=a%2Fb&targetRef=main"),
        ("https://dev.azure.com/org/project/_git/repo", "azure_devops",
         "https://dev.azure.com/org/project/_git/repo",
         "/pullrequestcreate?sourceRef=a%2Fb&targetRef=main"),
        ("git@bitbucket.org:team/repo.git", "bitbucket", "https://bitbucket.org/team/repo",
         "/pull-requests/new?source=a%2Fb&dest=main"),
        ("ssh://git@git.example.com:7999/prj/repo.git", "bitbucket_datacenter",
         "https://git.example.com/projects/prj/repos/repo",
         "/pull-requests?create&sourceBranch=refs%2Fheads%2Fa%2Fb"
         "&targetBranch=refs%2Fheads%2Fmain"),
        ("https://git.example.com/scm/~me/repo.git", "bitbucket_datacenter",
         "https://git.example.com/users/me/repos/repo",
         "/pull-requests?create&sourceBranch=refs%2Fheads%2Fa%2Fb"
         "&targetBranch=refs%2Fheads%2Fmain"),
        ("git@git.example.com:a/b.git", None, None, None),
    ],
)  # fmt: skip
def test_hosts(clone: str, provider: Any, page: str | None, pull_request: str | None) -> None:
    address = parse_address(clone)
    found = hosts.provider_of("auto", address)
    assert found == provider
    assert hosts.web_url(found, address) == page
    url = hosts.pull_request_url(found, page, "a/b", "main")
    assert url == (None if pull_request is None else f"{page}{pull_request}")


def test_keys_are_wiped_with_the_connection(server: Server, path: str) -> None:
    create(server, path, cloneUrl=HTTPS, authMethod="https_token", token=TOKEN)
    assert server.sql("SELECT count(*) FROM sealed_secrets WHERE resource = 'model_git'") != [(0,)]
    model_id = path.split("/")[4]
    [(connection,)] = server.sql(
        "SELECT connection_id FROM models WHERE id = :model", model=model_id
    )
    assert server.root.delete(f"/api/v1/connections/{connection}").status_code == 200
    assert server.sql("SELECT count(*) FROM sealed_secrets") == [(0,)]
