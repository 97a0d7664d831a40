"""Applications let their users in: signed addresses, two steps, and what somebody may change."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from dragoman import clock
from dragoman.access.policy import Permission
from dragoman.access.principal import OPERATOR, Principal, PrincipalKind
from dragoman.access.roles import Role
from dragoman.api.errors import BadRequest
from dragoman.identity import service as identity
from dragoman.models import service as models
from dragoman.secret import SecretStr
from dragoman.signin import signatures
from dragoman.signin.embed_rights import entity_group
from dragoman.store import UnitOfWork
from tests.support.browser import SESSION, Browser
from tests.support.clients import assert_error, at_once
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

REGION = identity.Definition("", "region", "Region", multiple_values=True)
SECRET = SecretStr("0123456789abcdef0123456789abcdef")
BASE = "https://data.example.com"
LOGIN, REDEEM = f"{BASE}/embed/login", f"{BASE}/embed/sso/redeem-session"
GENERATE = "/api/v1/embed/sso/generate-session"
# What `OmniDashboardEmbedder` of the distribution omni-analytics-sdk 1.1.0 (MIT) makes for the
# vanity domain data.example.com and this secret.
RECORDED = (
    "https://data.example.com/embed/login?contentPath=%2Fdashboards%2Fda24491e&externalId=u"
    "ser-7&name=%C3%84nn&nonce=9205e7d668324c68b1a77f5939016917&customTheme=%7B%22a%22%3A%2"
    "2b+c%22%7D&entity=acme&filterSearchParam=f--o.status%3D%257B%2522values%2522%253A%255B"
    "%2522a%2526b%2522%255D%257D&linkAccess=__omni_link_access_open&prefersDark=system&them"
    "e=dawn&userAttributes=%7B%22region%22%3A%5B%22north%22%2C%22south%22%5D%7D&signature=0"
    "8-i2wgsUkH1NbqfCUfUAC0psX49unmBhjykAKo8yoo%3D"
)


@pytest.fixture
def server(store_url: str, tmp_path: Path) -> Iterator[Server]:
    secrets = SecretStr(f"old,{SECRET.reveal()}")
    home = tmp_path / "home"
    settings = settings_for(home, store_url, public_url=BASE, embed_secrets=secrets)
    with running_server(settings) as running:
        with running.unit() as unit:
            identity.define(unit, OPERATOR, REGION)
            for name in ("Sales", "Support"):
                identity.create_group(unit, OPERATOR, name)
        yield running


def visit(server: Server, url: str) -> tuple[Browser, httpx.Response]:
    browser = Browser(server, BASE)
    return browser, browser.get(url, headers={"Origin": None, "Sec-Fetch-Site": "cross-site"})


def regions(unit: UnitOfWork, user_id: str) -> Any:
    asker = Principal(PrincipalKind.EMBED, "x", user_id=user_id)
    return identity.attributes(unit, asker).get("region", ())


def signed(**given: str) -> dict[str, str]:
    base = {"contentPath": "/dashboards/a", "externalId": "7", "name": "Ann", "nonce": "n" * 32}
    sent = {**base, **given}
    return {**sent, "signature": signatures.sign(SECRET, signatures.login_text(LOGIN, sent))}


def test_the_vector_of_the_vendor() -> None:
    given = {
        "contentPath": "/dashboards/da24491e", "externalId": "1", "name": "Somebody",
        "nonce": "365f7003aa5b4f3586d9b81b4a5d9f69",
    }  # fmt: skip
    text = signatures.login_text("https://acme.embed-omniapp.co/embed/login", given)
    secrets = (SecretStr("another"), SecretStr("super_secret"))
    right = "mToqUfdkmVSyDIGAl6Ggs9uAmGQAH9OzbbCZ-xgEU8c="
    assert signatures.is_signed(secrets, text, right)
    assert signatures.is_signed(secrets, text, right.rstrip("="))
    assert not signatures.is_signed(secrets[:1], text, right)


def test_an_address_of_the_client_lets_in_once(server: Server) -> None:
    browser, answer = visit(server, RECORDED)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/dashboards/da24491e"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-dragoman_embed=")
    for part in ("HttpOnly", "Secure", "SameSite=none", "Partitioned", "Path=/", "Max-Age=86400"):
        assert f"; {part}" in cookie
    who = browser.get(SESSION).json()
    assert who["kind"] == "embed"
    with server.unit() as unit:
        user = identity.user_of(unit, who["userId"])
        assert user is not None
        assert (user.embed_external_id, user.name, user.embed_entity) == ("user-7", "Änn", "acme")
        assert list(regions(unit, user.id)) == ["north", "south"]
    # No operation lets an embed user in (contract §1.2).
    assert_error(browser.get(CONNECTIONS), 403)
    assert_error(visit(server, RECORDED)[1], 401)


def test_whatever_is_changed_is_refused(server: Server) -> None:
    pairs = parse_qsl(urlsplit(RECORDED).query)
    others = [(name, "x") for name in signatures.OPTIONAL if name not in dict(pairs)]
    changed: list[list[tuple[str, str]]] = [[*pairs, other] for other in others]
    for place, (name, value) in enumerate(pairs):
        rest = pairs[:place] + pairs[place + 1 :]
        changed += [
            rest,
            [*rest, (name, value + "x")],
            [*rest, (name, "")],
            [*pairs, (name, value)],
        ]
        changed.append([*rest, (name, value[:-2])])
    assert len(changed) > 60
    for sent in changed:
        assert visit(server, f"{LOGIN}?{urlencode(sent)}")[1].status_code in (400, 401), sent
    assert server.sql("SELECT id FROM users WHERE kind = 'embed'") == []
    assert visit(server, RECORDED)[1].status_code == 303


ONE = "7d1f2a52-3f1c-4a53-9d5f-0d4c2b6a1e11"
SAID = {
    "accessBoost": "true", "connectionRoles": f'{{"{ONE}":"VIEWER"}}', "customThemeId": ONE,
    "customTheme": '{"dashboard-background":"#fff"}', "entity": "acme", "groups": '["Sales"]',
    "email": "ann@example.com", "entityFolderContentRole": "EDITOR", "entityFolderLabel": "Acme",
    "filterSearchParam": "timezone=UTC&f--o.id=%7B%7D", "linkAccess": "a1b2,c3",
    "mode": "APPLICATION",
    "modelRoles": f'{{"{ONE}":"VIEWER"}}', "prefersDark": "true", "theme": "dawn",
    "uiSettings": '{"showNavigation":true}', "userAttributes": '{"region":["north"]}',
}  # fmt: skip
# Objects that the store tells apart, and words that look alike.
ALIKE = [
    {"connectionRoles", "modelRoles"}, {"customTheme", "uiSettings", "userAttributes"},
    {"accessBoost", "prefersDark", "preserveEntityFolderContentRole"},
    {"entityFolderContentRole", "entityFolderGroupContentRole"},
    {"customThemeId", "entity", "entityFolderLabel", "entityGroupLabel", "linkAccess"},
]  # fmt: skip


def test_a_value_passes_for_hardly_another() -> None:
    """The text that is signed has no names: a value under another name may have the same."""
    taken = []
    for name, other in itertools.permutations(signatures.OPTIONAL, 2):
        moved = {"entity": "acme", other: SAID.get(name, "")}
        if not moved[other] or any({name, other} <= each for each in ALIKE):
            continue
        with contextlib.suppress(BadRequest):
            signatures.values(moved)
            taken.append((name, other))
    assert taken == []
    assert signatures.values(SAID)["userAttributes"] == {"region": ["north"]}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("connectionRoles", "modelRoles"), ("modelRoles", "connectionRoles"),
        ("userAttributes", "customTheme"), ("userAttributes", "uiSettings"),
        ("uiSettings", "userAttributes"), ("customTheme", "userAttributes"),
    ],
)  # fmt: skip
def test_rights_and_attributes_keep_their_name(server: Server, name: str, other: str) -> None:
    connection = server.create()
    with server.unit() as unit:
        draft = models.NewModel(connection, models.Kind.SHARED, "M")
        model = models.create(unit, OPERATOR, draft).id
    text = SAID[name].replace(ONE, model if name == "modelRoles" else connection)
    sent = signed(**{name: text})
    moved = {other if each == name else each: sent[each] for each in sent}
    assert visit(server, f"{LOGIN}?{urlencode(moved)}")[1].status_code == 400
    assert visit(server, f"{LOGIN}?{urlencode(sent)}")[1].status_code == 303


def test_values_do_not_slip_from_one_line_to_the_next(server: Server) -> None:
    """The text that is signed has a line for each value; two queries must not share one text."""
    sent = signed(nonce="n" * 32, name="Ann")
    moved = {**sent, "externalId": "7\nAnn", "name": "n" * 32}
    del moved["nonce"]
    assert visit(server, f"{LOGIN}?{urlencode(moved)}")[1].status_code == 401


def test_of_two_at_the_same_moment_one_comes_in(server: Server) -> None:
    url = f"{LOGIN}?{urlencode(signed())}"
    statuses = at_once(4, lambda _: visit(server, url)[1].status_code)
    assert sorted(statuses) == [303, 401, 401, 401]


def test_what_is_said_last_holds(server: Server) -> None:
    made, other = server.create(), server.create(name="Other")
    first = signed(
        groups='["Sales","support"]',
        connectionRoles=json.dumps({made: "RESTRICTED_QUERIER", other: "VIEWER"}),
        userAttributes='{"region":["north"]}',
    )
    browser, answer = visit(server, f"{LOGIN}?{urlencode(first)}")
    assert answer.status_code == 303, answer.text
    user_id = browser.get(SESSION).json()["userId"]

    def seen() -> Any:
        roles = dict(server.sql("SELECT connection_id, role FROM connection_roles"))
        with server.unit() as unit:
            names = [group.name for group in identity.groups_of(unit, user_id)]
            return names, roles, list(regions(unit, user_id))

    assert seen() == (["Sales", "Support"], {made: "QUERY_TOPICS", other: "VIEWER"}, ["north"])
    second = signed(nonce="m" * 32, groups='["Support"]', connectionRoles=f'{{"{other}":"VIEWER"}}')
    assert visit(server, f"{LOGIN}?{urlencode(second)}")[1].status_code == 303
    assert seen() == (["Support"], {made: "NO_ACCESS", other: "VIEWER"}, [])


def test_roles_on_models_and_the_group_of_the_entity(server: Server) -> None:
    made = server.create(baseRole="QUERIER")
    with server.unit() as unit:
        draft = models.NewModel(made, models.Kind.SHARED, "M")
        model = models.create(unit, OPERATOR, draft).id
        identity.create_custom_role(unit, OPERATOR, "Clients", Role.QUERY_TOPICS)
    first = signed(
        connectionRoles=json.dumps({made: "VIEWER"}), modelRoles=json.dumps({model: "Clients"}),
        entity="acme", mode="APPLICATION", theme="dawn", entityFolderLabel="Acme",
    )  # fmt: skip
    browser, answer = visit(server, f"{LOGIN}?{urlencode(first)}")
    assert answer.status_code == 303, answer.text
    user_id = browser.get(SESSION).json()["userId"]
    group = "omni-system-sso-embed-entity-group-acme"
    with server.unit() as unit:
        assert [each.name for each in identity.groups_of(unit, user_id)] == [group]
        key = Principal(PrincipalKind.ORGANIZATION, "key", organization_admin=True)
        user = identity.as_user(unit, key, user_id)
        on_connection = identity.rights_on(unit, user, made, "QUERIER")
        on_model = identity.rights_on(unit, user, made, "QUERIER", model)
    # The base role does not hold for embed users; the role on the model does.
    assert Permission.CONNECTIONS_SQL not in on_connection
    assert Permission.QUERIES_TOPIC in on_model
    assert Permission.QUERIES_ASK not in on_model
    rows = server.root.get(f"/api/v1/users/{user_id}/model-roles").json()
    assert "BASE" not in json.dumps(rows)
    [row] = server.root.get("/api/v1/audit-log?action=session.create").json()["records"]
    assert row["after"] == {
        "mode": "APPLICATION", "theme": "dawn", "entity": "acme", "entityFolderLabel": "Acme",
    }  # fmt: skip
    # What is said last holds.
    assert visit(server, f"{LOGIN}?{urlencode(signed(nonce='w' * 32))}")[1].status_code == 303
    with server.unit() as unit:
        assert identity.groups_of(unit, user_id) == []
        assert not identity.rights_on(unit, user, made, "QUERIER", model)


def test_entities_do_not_share_a_group(server: Server) -> None:
    names = {entity_group(each) for each in ("acme", "ACME", " acme", "a" * 300, "a" * 301, "Ä")}
    assert len(names) == 6
    assert all(len(name) <= 64 for name in names)


URL = "/embed/sso/generate-url"


def test_an_address_is_made_for_who_knows_the_secret(server: Server) -> None:
    body = {"contentPath": "/d/a", "externalId": "9", "name": "Cy", "groups": ["Sales"]}
    made = server.anonymous.post(URL, json={**body, "secret": SECRET.reveal()})
    assert made.status_code == 200, made.text
    url = made.json()["url"]
    assert SECRET.reveal() not in url
    assert_error(visit(server, url.replace("signature=", "signature=A"))[1], 401)
    browser, answer = visit(server, url)
    assert (answer.status_code, answer.headers["location"]) == (303, "/d/a")
    assert browser.get(SESSION).json()["name"] is not None
    assert_error(visit(server, url)[1], 401)
    packed = {**body, "groups": '["Sales"]', "secret": SECRET.reveal()}
    assert server.anonymous.post(URL, json=packed).status_code == 200
    for sent, status in (
        ({**packed, "groups": "Sales"}, 400), ({**body, "secret": "wrong"}, 401), (body, 401),
        ({**body, "nonce": "n" * 32}, 400),
        ({**body, "secret": SECRET.reveal(), "contentPath": "//evil"}, 400),
        ({**body, "secret": SECRET.reveal(), "exp": 1}, 400),
    ):  # fmt: skip
        assert_error(server.anonymous.post(URL, json=sent), status)


@pytest.mark.parametrize(
    "given",
    [
        {"modelRoles": '{"x":"VIEWER"}'},
        {"modelRoles": '{"7d1f2a52-3f1c-4a53-9d5f-0d4c2b6a1e11":"VIEWER"}'},
        {"contentPath": "https://evil.example/"}, {"contentPath": "//evil.example"},
        {"contentPath": "/\\evil.example"}, {"contentPath": "/a\r\nX: y"}, {"contentPath": "a"},
        {"groups": '["Nobody"]'}, {"groups": "{"}, {"groups": '{"a":1}'},
        {"connectionRoles": '{"7d1f2a52-3f1c-4a53-9d5f-0d4c2b6a1e11":"VIEWER"}'},
        {"entityFolderLabel": "Acme"}, {"theme": "{}"},
        {"customThemeId": "acme"}, {"linkAccess": '["a"]'},
        {"connectionRoles": '{"x":"VIEWER"}'}, {"userAttributes": '{"nothing":1}'},
        {"connectionRoles": '{"7d1f2a52-3f1c-4a53-9d5f-0d4c2b6a1e11":"CONNECTION_ADMIN"}'},
        {"email": "no address"}, {"externalId": "x" * 500},
    ],
)  # fmt: skip
def test_what_no_application_may_say(server: Server, given: dict[str, str]) -> None:
    browser, answer = visit(server, f"{LOGIN}?{urlencode(signed(**given))}")
    assert_error(answer, 400)
    assert_error(browser.get(SESSION), 401)


def packed(**given: Any) -> str:
    ends = int(clock.now().timestamp()) + 60
    said = {"loginUrl": LOGIN, "contentPath": "/d/a", "externalId": "8", "name": "Bob",
            "nonce": "p" * 32, "exp": ends, **given}  # fmt: skip
    raw = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflate.compress(raw) + deflate.flush()
    payload = base64.urlsafe_b64encode(data).decode().rstrip("=")
    return urlencode({"payload": payload, "signature": signatures.sign(SECRET, payload)})


def test_payloads(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert visit(server, f"{LOGIN}?{packed(groups=['Sales'])}")[1].status_code == 303
    assert_error(visit(server, f"{LOGIN}?{packed()}")[1], 401)
    now = clock.now().timestamp()
    for n, wrong in enumerate(
        [{"exp": now - 1}, {"exp": now + 90_000}, {"exp": None}, {"exp": "soon"}, {"exp": True},
         {"loginUrl": "https://other.example/embed/login"}, {"loginUrl": None}, {"nonce": "short"}]
    ):  # fmt: skip
        sent = packed(**{"nonce": f"{n:032}", **wrong})
        assert_error(visit(server, f"{LOGIN}?{sent}")[1], 401)
    good = packed(nonce="q" * 32)
    assert_error(visit(server, f"{LOGIN}?{good}&name=Eve")[1], 401)
    assert_error(visit(server, f"{LOGIN}?{good.replace('payload=', 'payload=A')}")[1], 401)


def test_two_steps(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"externalId": "9", "name": "Cy", "contentPath": "/d/b", "groups": ["Sales"]}
    made = server.root.post(GENERATE, json=body)
    assert made.status_code == 200, made.text
    secret = made.json()["sessionId"]
    assert secret not in str(server.sql("SELECT * FROM signin_embed_pending"))
    given = {"sessionId": secret, "nonce": "r" * 32, "theme": "dawn"}

    def url(**more: str) -> str:
        sent = {**given, **more}
        signature = signatures.sign(SECRET, signatures.redeem_text(REDEEM, sent))
        return f"{REDEEM}?{urlencode({**sent, 'signature': signature})}"

    assert_error(visit(server, url().replace("dawn", "vibes"))[1], 401)
    assert_error(visit(server, url(sessionId="x" * 43))[1], 401)
    browser, answer = visit(server, url())
    assert (answer.status_code, answer.headers["location"]) == (303, "/d/b")
    assert browser.get(SESSION).json()["kind"] == "embed"
    assert_error(visit(server, url(nonce="s" * 32))[1], 401)
    given["sessionId"] = server.root.post(GENERATE, json=body).json()["sessionId"]
    later = clock.now() + timedelta(minutes=5, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert_error(visit(server, url(nonce="t" * 32))[1], 401)


def test_only_keys_of_the_organization_make_sessions(server: Server) -> None:
    admin = server.member("admin@example.com", admin=True)
    assert_error(admin.post(GENERATE, json={"externalId": "9", "name": "Cy"}), 403)
    assert_error(server.anonymous.post(GENERATE, json={}), 401)
    assert_error(server.root.post(GENERATE, json={"name": "Cy"}), 400)


def test_without_a_secret_nobody_is_let_in(sqlite_server: Server) -> None:
    sent = {"externalId": "9", "name": "Cy"}
    assert_error(sqlite_server.root.post(GENERATE, json=sent), 403)
    assert_error(sqlite_server.anonymous.get(f"/embed/login?{urlencode(signed())}"), 403)


def test_a_suspended_embed_user_stays_out(server: Server) -> None:
    browser, _ = visit(server, f"{LOGIN}?{urlencode(signed())}")
    with server.unit() as unit:
        user = identity.user_of(unit, browser.get(SESSION).json()["userId"])
        assert user is not None
        identity.set_disabled(unit, OPERATOR, user, disabled=True)
    assert_error(browser.get(SESSION), 401)
    assert_error(visit(server, f"{LOGIN}?{urlencode(signed(nonce='u' * 32))}")[1], 401)


def test_a_session_is_made_by_the_path_from_before(server: Server) -> None:
    old = GENERATE.replace("/v1/", "/unstable/")
    made = server.root.post(old, json={"externalId": "9", "name": "Cy"})
    assert made.status_code == 200, made.text
    assert made.json()["sessionId"]
    assert_error(server.anonymous.post(old, json={"externalId": "9", "name": "Cy"}), 401)
