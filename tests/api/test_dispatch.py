"""The way of every request: token, methods, paths, request ids, headers and errors."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from dragoman import clock
from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.identity import tokens
from tests.support.bodies import body
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, ENVIRONMENTS, Server

ABSENT = "00000000-0000-4000-8000-000000000000"


def test_request_without_a_token(server: Server) -> None:
    answer = server.anonymous.get(CONNECTIONS)
    assert_error(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_scheme_in_any_case(sqlite_server: Server, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {sqlite_server.key()}"}
    assert sqlite_server.anonymous.get(CONNECTIONS, headers=headers).status_code == 200


def test_text_that_cannot_be_a_token_is_refused_without_a_look_up(
    sqlite_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = sqlite_server.key()
    other = "b" if token[-1] == "a" else "a"

    def look_up(*_: object) -> None:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(sqlite_server.house.store, "read", look_up)
    for wrong in (token[:-1] + other, token[:-1], token + "x", "", "omni_osk_", "x" * 5000, "ÿ"):
        headers = {"Authorization": f"Bearer {wrong}".encode("latin-1")}
        assert_error(sqlite_server.anonymous.get(CONNECTIONS, headers=headers), 401)
    for scheme in (f"Basic {token}", token, f"Bearer{token}"):
        headers = {"Authorization": scheme}
        assert_error(sqlite_server.anonymous.get(CONNECTIONS, headers=headers), 401)


def test_token_that_is_well_formed_and_unknown(server: Server) -> None:
    from dragoman.identity import tokenformat

    unknown = server.client(tokenformat.generate("organization").reveal())
    assert_error(unknown.get(CONNECTIONS), 401)


def test_token_expires(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    client = server.client(server.key(expires=start + timedelta(hours=1)))
    assert client.get(CONNECTIONS).status_code == 200
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=1, seconds=1))
    assert_error(client.get(CONNECTIONS), 401)


def test_revoked_token_stops_at_once(server: Server) -> None:
    client = server.client(server.key("short"))
    assert client.get(CONNECTIONS).status_code == 200
    with server.unit() as unit:
        [mine] = [token for token in tokens.list_tokens(unit) if token.name == "short"]
        tokens.revoke(unit, OPERATOR, mine.id)
    assert_error(client.get(CONNECTIONS), 401)


def test_suspended_users_tokens_stop_until_they_are_back(server: Server) -> None:
    client = server.member("ann@example.com")
    assert client.get(CONNECTIONS).status_code == 200
    for disabled, status in ((True, 401), (False, 200)):
        with server.unit() as unit:
            user = identity.get_user(unit, "ann@example.com")
            identity.set_disabled(unit, OPERATOR, user, disabled=disabled)
        assert client.get(CONNECTIONS).status_code == status


def test_member_may_not_create_but_an_admin_of_any_connection_may(server: Server) -> None:
    made = server.create(baseRole="MODELER")
    assert_error(server.member("nobody@example.com").post(CONNECTIONS, json=body("mysql")), 403)
    assert_error(
        server.member("mod@example.com", **{made: "MODELER"}).post(CONNECTIONS, json=body("mysql")),
        403,
    )
    admin = server.member("admin@example.com", **{made: "CONNECTION_ADMIN"})
    answer = admin.post(CONNECTIONS, json=body("mysql"))
    assert answer.status_code == 201
    # Who made it goes on working with it.
    path = f"{CONNECTIONS}/{answer.json()['data']}"
    assert admin.patch(path, json={"baseRole": "VIEWER"}).status_code == 200
    boss = server.member("boss@example.com", admin=True)
    assert boss.post(CONNECTIONS, json=body("mysql")).status_code == 201


def test_permission_comes_before_the_body(sqlite_server: Server) -> None:
    nobody = sqlite_server.member("nobody@example.com")
    for path in (CONNECTIONS, f"{CONNECTIONS}/test"):
        assert_error(nobody.post(path, content=b"{ not json"), 403)
        assert_error(sqlite_server.anonymous.post(path, content=b"{ not json"), 401)


def test_last_use_is_written_when_it_is_flushed(server: Server) -> None:
    client = server.client(server.key("used"))
    assert client.get(CONNECTIONS).status_code == 200
    last = "SELECT last_used_at FROM tokens WHERE name = 'used'"
    assert server.sql(last) == [(None,)]
    assert server.house.authenticator.flush(server.house.store) >= 1
    [(at,)] = server.sql(last)
    assert abs(clock.parse(at) - clock.now()) < timedelta(minutes=1)
    assert server.house.authenticator.flush(server.house.store) == 0


def test_last_use_is_kept_when_the_store_is_away(
    sqlite_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dragoman.store import StoreBusy

    client, store = sqlite_server.client(sqlite_server.key("used")), sqlite_server.house.store
    client.get(CONNECTIONS)

    def away(*_: object) -> Any:
        raise StoreBusy("away")

    with monkeypatch.context() as patched:
        patched.setattr(store, "begin", away)
        with pytest.raises(StoreBusy):
            sqlite_server.house.authenticator.flush(store)
    assert sqlite_server.house.authenticator.flush(store) == 1


def test_head_is_get_without_a_body(sqlite_server: Server) -> None:
    for path in ("/healthz", "/openapi.json"):
        head, get = sqlite_server.anonymous.head(path), sqlite_server.anonymous.get(path)
        assert head.status_code == get.status_code == 200
        assert head.headers["content-type"] == get.headers["content-type"]
    assert sqlite_server.root.head(CONNECTIONS).status_code == 200
    assert sqlite_server.anonymous.head(CONNECTIONS).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", CONNECTIONS, "GET, HEAD, POST"),
        ("DELETE", CONNECTIONS, "GET, HEAD, POST"),
        ("POST", f"{CONNECTIONS}/{ABSENT}", "DELETE, GET, HEAD, PATCH"),
        ("GET", f"{CONNECTIONS}/{ABSENT}/restore", "POST"),
        ("PATCH", ENVIRONMENTS, "GET, HEAD, POST"),
        ("OPTIONS", CONNECTIONS, "GET, HEAD, POST"),
        ("BREW", "/healthz", "GET, HEAD"),
    ],
)
def test_method_that_the_path_does_not_have(
    sqlite_server: Server, method: str, path: str, allowed: str
) -> None:
    answer = sqlite_server.root.request(method, path)
    assert_error(answer, 405)
    assert answer.headers["Allow"] == allowed


def test_path_that_is_not_there(sqlite_server: Server) -> None:
    for path in ("/", "/api", "/api/v2/connections", "/api/v1/connectionsx", "/%00", "/api/v1//x",
                 f"{CONNECTIONS}/{ABSENT}/nothing", "/docs/../openapi.json/x"):  # fmt: skip
        assert_error(sqlite_server.root.get(path), 404)


def test_an_encoded_slash_is_part_of_a_value(sqlite_server: Server) -> None:
    refused = assert_error(sqlite_server.root.get(f"{CONNECTIONS}/a%2Fb"), 400)
    assert refused["message"] == "Bad Request: Invalid id format"
    for path in ("/api%2Fv1/connections", f"{CONNECTIONS}%2F{ABSENT}", f"{CONNECTIONS}/a%2fb/c"):
        assert_error(sqlite_server.root.get(path), 404)


def test_trailing_slash_is_forgiven(sqlite_server: Server) -> None:
    made = sqlite_server.create()
    assert sqlite_server.root.get(f"{CONNECTIONS}/").status_code == 200
    assert sqlite_server.root.get(f"{CONNECTIONS}/{made}/").status_code == 200


@pytest.mark.parametrize("host", ["[", "x/api/v1/connections?", "a b", "\xff", "", "[::1", "x:y"])
def test_odd_host_header_changes_nothing(sqlite_server: Server, host: str) -> None:
    headers = {"Host": host.encode("latin-1")}
    assert sqlite_server.anonymous.get("/healthz", headers=headers).text == "ok"
    key = {**headers, "Idempotency-Key": "a"}
    answer = sqlite_server.root.post(CONNECTIONS, json=body("mysql"), headers=key)
    assert answer.status_code == 201


def test_request_id_is_echoed_or_made(sqlite_server: Server) -> None:
    client = sqlite_server.anonymous
    sent = client.get("/healthz", headers={"X-Request-Id": "trace-1.2_3"})
    assert sent.headers["X-Request-Id"] == "trace-1.2_3"
    for odd in ("a b", "x" * 65, "<script>", "a\xe4", "", "../x"):
        answer = client.get("/healthz", headers={"X-Request-Id": odd.encode("latin-1")})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"]), odd
    assert client.get("/nowhere").headers["X-Request-Id"]


def test_every_answer_forbids_sniffing_and_caching(sqlite_server: Server) -> None:
    for path in ("/healthz", "/nowhere", CONNECTIONS, "/docs"):
        answer = sqlite_server.root.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


def test_headers_larger_than_the_limit(sqlite_server: Server) -> None:
    many = {f"X-Filler-{number}": "x" * 1000 for number in range(40)}
    assert_error(sqlite_server.root.get(CONNECTIONS, headers=many), 431)
    assert_error(sqlite_server.anonymous.get("/healthz", headers={"X": "x" * 33_000}), 431)


def test_fault_of_ours_tells_nothing(
    sqlite_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("dragoman.connections.listing.list_visible", broken)
    answer = sqlite_server.root.get(CONNECTIONS, headers={"X-Request-Id": "find-me"})
    told = assert_error(answer, 500)
    assert "find-me" in told["message"]
    assert "hunter2" not in answer.text


def test_a_change_with_a_parameter_that_nobody_knows_is_refused(sqlite_server: Server) -> None:
    """Else it would be done without what the parameter says, such as another branch."""
    connection = sqlite_server.create()
    client, path = sqlite_server.root, f"{CONNECTIONS}/{connection}"
    for answer in (
        client.patch(f"{path}?branch_id=x", json={"name": "Y"}),
        client.delete(f"{path}?branch_id=x"),
    ):
        told = assert_error(answer, 400)
        assert told["message"] == "Bad Request: Unrecognized key(s) in object: 'branch_id'"
    assert client.get(f"{path}?branch_id=x").status_code == 200


def test_id_in_other_letter_case_or_form_is_the_same_id(server: Server) -> None:
    made = server.create()
    for form in (made.upper(), made.replace("-", ""), "{" + made + "}"):
        answer = server.root.get(f"{CONNECTIONS}/{form}")
        assert answer.status_code == 200, form
        assert answer.json()["connection"]["id"] == made


@pytest.mark.parametrize("text", ["x", "1", "null", ABSENT[:-1], ABSENT + "0", "é", "%00"])
def test_id_that_is_no_uuid(sqlite_server: Server, text: str) -> None:
    for method in ("GET", "DELETE"):
        answer = sqlite_server.root.request(method, f"{CONNECTIONS}/{text}")
        assert "Invalid id format" in assert_error(answer, 400)["message"]


def test_paths_from_before_an_operation_was_stable(server: Server) -> None:
    old = server.root.get("/api/unstable/models")
    assert old.json() == server.root.get("/api/v1/models").json()
    assert_error(server.anonymous.get("/api/unstable/models"), 401)
    assert_error(server.root.get("/api/unstable/nothing"), 404)
    assert_error(server.root.delete("/api/unstable/models"), 405)
