"""A server with one of everything, and how each of its operations is asked.

An operation that needs no body, and no name in its path that is new, needs no line here.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import httpx

from dragoman import jobs
from dragoman.access.principal import OPERATOR
from dragoman.access.roles import Role
from dragoman.access.scope import Scope
from dragoman.api import openapi
from dragoman.api.routing import Route
from dragoman.app import Application, create_app, routes
from dragoman.identity import service as identity
from dragoman.identity import tokens as identity_tokens
from dragoman.identity.tokenformat import digest, generate
from dragoman.models import service as models
from dragoman.models.service import Kind, NewModel
from dragoman.settings import Settings
from dragoman.store import Origin
from dragoman.store.engine import NOWHERE, Work
from scripts.permissions_docs import COLUMNS, Column
from tests.support.bodies import body
from tests.support.clients import Client
from tests.support.server import CONNECTIONS, MODELS, Server, TestClient

DOCUMENT = openapi.document(routes())
MANIFEST = Path(__file__).parents[1] / "dbt" / "recorded" / "manifest.json"
FILES: dict[str, str | None] = {
    "o.view": "sql: SELECT 1 AS id\ndimensions:\n  id:\n    sql: id\n",
    "t.topic": "base_view: o\n",
}
GIT = {"cloneUrl": "https://git.example/m.git", "authMethod": "https_token", "token": "secret"}
DBT = {
    "autogenRelationships": True,
    "branch": "main",
    "enableVirtualSchemas": False,
    "sshUrl": "https://git.example/dbt.git",
    "authMethod": "https_token",
    "token": "secret",
}
SCHEDULE = {"schedule": "0 6 * * ? *", "timezone": "UTC"}
ATTRIBUTE = {"name": "region", "label": "Region", "type": "String"}
ENVIRONMENT = {"name": "mine", "targetSchema": "analytics"}
# Nobody has that name (RFC 2606).
PROVIDER = {"slug": "own", "name": "Own", "issuer": "https://login.invalid", "clientId": "x"}


# How a token ends, behind the server's back; the last one with its user.
_ENDED = {
    "expired": "UPDATE tokens SET expires_at = '2020-01-01T00:00:00.000Z' WHERE name = 'expired'",
    "revoked": "UPDATE tokens SET revoked_at = '2020-01-01T00:00:00.000Z' WHERE name = 'revoked'",
    "disabled": "UPDATE tokens SET enabled = false WHERE name = 'disabled'",
    "suspended": "UPDATE users SET disabled_at = '2020-01-01T00:00:00.000Z' "
    "WHERE email = 'suspended@example.com'",
}


@dataclass(frozen=True)
class Asked:
    """One request: `path` with its query; `headers` besides the token."""

    path: str
    body: Any
    headers: dict[str, str]


@dataclass
class World:
    """Ids of what is there, and a token for each kind of principal."""

    BAD_TOKENS: ClassVar = ("none", "malformed", "unknown", *_ENDED)

    tokens: dict[str, str | None]
    users: dict[str, str]
    connection: str
    model: str
    branch: str
    crowded: str
    names: dict[str, str]
    environments: dict[str, str]
    token_ids: dict[str, str]

    def ask(self, route: Route, when: str, head: str) -> Asked:
        """How a principal asks for a use of an operation."""
        path = route.path
        for name in route.path_names:
            path = path.replace(f"{{{name}}}", self._named(route, name, when, head))
        # Without a signature the first would be a 401.
        queries = {
            "embedLogin": "?x=",
            "embedRedeem": "?x=",
            "modelsYamlDelete": "?fileName=t.topic",
            "queryWait": f"?jobIds={uuid.uuid4()}",
            "topicValues": "?field=o.id",
        }
        sent = self._body(route, when, head) if route.body is not None else None
        signed = {"X-Gitlab-Token": self.names["webhook secret"]}
        headers = signed if route.operation_id == "modelsGitWebhook" else {}
        return Asked(path + queries.get(route.operation_id, ""), sent, headers)

    def _named(self, route: Route, name: str, when: str, head: str) -> str:
        if name == "modelId":
            return self._model(route, when)
        if name == "name" and "ResourceTypes" in route.path:
            return "User"
        if name == "environmentId" and not when:
            return self.environments.get(head, self.names["environmentId"])
        if name == "id" and path_kind(route) == "api-keys" and not when:
            return self.token_ids.get(head, self.names["api-keys id"])
        if name == "id":
            return self.names[f"{'embed ' * ('/embed/' in route.path)}{path_kind(route)} id"]
        return self.names[name]

    def _model(self, route: Route, when: str) -> str:
        if "several" in when:
            return self.crowded
        takes_branches = any("branch" in case.when for case in route.cases)
        return self.branch if takes_branches and not when else self.model

    def _body(self, route: Route, when: str, head: str) -> Any:
        mine = {"connectionId": self.connection, "baseModelId": self.model}
        branch = {**mine, "modelKind": "BRANCH", "modelName": "another"}
        shared = {"connectionId": self.connection, "modelKind": "SHARED", "modelName": "Another"}
        query = {"modelId": self.model, "fields": ["o.id"], "table": "o"}
        topic = {**query, "join_paths_from_topic_name": "t"}
        by_hand = {"modelId": self.model, "userEditedSQL": "SELECT 1"}
        asked = {"outside topics": query, "SQL by hand": by_hand}.get(when, topic)
        owner = {} if when or head not in self.users else {"ownerId": self.users[head]}
        is_key = when == "an organization key" or head not in self.users
        place = {"modelId": self.model} if when else {"connectionId": self.connection}
        special: dict[str, Any] = {
            "apiKeysCreate": {"name": "n", "type": "organization" if is_key else "personal"},
            "apiKeysUpdate": {"enabled": True},
            "embedSsoGenerateSession": {},
            "embedSsoGenerateUrl": {},  # a wrong secret would be a 401
            "sessionCreate": {},  # a wrong password would be a 401
            "usersAssignModelRole": {"roleName": "VIEWER", **place},
            "userGroupsAssignModelRole": {"roleName": "VIEWER", **place},
            "rolesCreate": {"name": "Another", "baseRole": "VIEWER"},
            "identityProvidersCreate": {**PROVIDER, "slug": "another"},
            "identityProvidersUpdate": PROVIDER,
            "connectionsCreate": body("postgres"),
            "connectionsTestBody": body("postgres", host="localhost"),
            "connectionsUpdate": {"baseRole": "NO_ACCESS"},
            "connectionsRestore": {},
            "connectionEnvironmentsCreate": {
                "baseConnectionId": self.connection,
                "environmentConnectionIds": [self.names["another connection"]],
            },
            "modelsCreate": shared if when else branch,
            "modelsMigrate": {"targetModelId": self.model},
            "modelsContentValidatorReplace": {
                "find": "o",
                "replacement": "p",
                "find_or_replace_type": "VIEW",
            },
            "modelsYamlCreate": {"fileName": "n.view", "yaml": FILES["o.view"]},
            "modelsUpdateView": {"label": "O"},
            "modelsUpdateTopic": {"label": "T"},
            "modelsUpdateField": {"label": "I"},
            "modelsCreateField": {"viewName": "o", "fieldName": "n", "sql": "id"},
            "queryConnection": {"sql": "SELECT 1"},
            "queryRun": {"query": asked, "planOnly": True},
            "queryCancel": {"job_ids": [str(uuid.uuid4())]},
            "connectionsSchedulesCreate": SCHEDULE,
            "connectionsSchedulesUpdate": SCHEDULE,
            "modelsGitCreate": GIT,
            "connectionsDbtUpdate": DBT,
            "connectionsDbtArtifacts": {"metadata": {}, "nodes": {}},
            "connectionsDbtEnvironmentsCreate": {**ENVIRONMENT, "name": "new", **owner},
            "connectionsDbtEnvironmentsUpdate": {**ENVIRONMENT, **owner},
            "modelsCommit": {"branch_id": self.branch, "commit_message": "x"},
            "modelsBranchDbt": {"dbt_environment_id": self.names["environmentId"]},
            "modelsDbtImport": {},
        }
        found = special.get(route.operation_id)
        return _sample(_schema_of(route)) if found is None else found


def path_kind(route: Route) -> str:
    """What `{id}` is an id of: the part of the path before it."""
    return route.path.partition("/{id}")[0].rpartition("/")[2]


def _schema_of(route: Route) -> Mapping[str, Any]:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    return next(iter(operation["requestBody"]["content"].values()))["schema"]


def _sample(schema: Mapping[str, Any]) -> Any:
    """The least value that fits: what is required, and nothing else."""
    if "$ref" in schema:
        return _sample(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        fields = schema.get("properties", {})
        return {name: _sample(fields.get(name, {})) for name in schema.get("required", ())}
    if kind == "array":
        return [_sample(schema["items"])] * cast("int", schema.get("minItems", 0))
    text = str(uuid.uuid4()) if schema.get("format") == "uuid" else "x"
    return {"string": text, "integer": 1, "number": 1, "boolean": True}.get(kind)


@contextlib.asynccontextmanager
async def walking(settings: Settings) -> AsyncGenerator[tuple[World, httpx.AsyncClient]]:
    """The world, and a client whose requests leave nothing behind."""
    app = create_app(settings)
    try:
        world = _world(app)
        _undo_writes(app)
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            yield world, client
    finally:
        app.house.close()


class _Undone(Exception):
    pass


def _undo_writes(app: Application) -> None:
    """Every writing unit of work is rolled back once its result is there: each principal finds the
    world as it was, whatever those before it were let do."""
    store = app.house.store

    async def write(work: Work[Any], origin: Origin = NOWHERE) -> Any:
        results: list[Any] = []
        with contextlib.suppress(_Undone), store.begin(origin) as unit:
            results.append(work(unit))
            raise _Undone
        return results[0]

    store.write = write


def _world(app: Application) -> World:
    server = Server(app, TestClient(app, "http://server", client=("127.0.0.1", 50_000)))
    connection, other, crowded, more = (server.create(baseRole="NO_ACCESS") for _ in range(4))
    with server.unit() as unit:
        shared = [
            models.create(unit, OPERATOR, NewModel(each, Kind.SHARED, name)).id
            for each, name in ((connection, "M"), (crowded, "A"), (crowded, "B"))
        ]
        branch = models.create(unit, OPERATOR, NewModel(connection, Kind.BRANCH, "b", shared[0])).id
        models.save_files(unit, OPERATOR, shared[0], FILES)
        models.save_files(unit, OPERATOR, branch, {"u.topic": "base_view: o\n"})
        group = identity.create_group(unit, OPERATOR, "Readers")
        identity.create_custom_role(unit, OPERATOR, "Readers", Role.VIEWER)
        embedded = identity.ensure_embed_user(unit, OPERATOR, "embedded", "Embedded")
        job = jobs.submit(unit, "REFRESH_SCHEMA", connection, {"hard_refresh": True}, OPERATOR)
    users = {
        column.head: server.user(f"{number}@example.com", admin=column.admin).id
        for number, column in enumerate(COLUMNS)
        if column.kind == "personal"
    }
    tokens = {
        column.head: _token(server, number, column, column.scope((connection, crowded), (other,)))
        for number, column in enumerate(COLUMNS)
    }
    tokens |= _bad_tokens(server, connection)
    another = server.key("another")
    ids = _token_ids(server, {**tokens, "another": another})
    for column in COLUMNS:
        granted = {connection: column.role, crowded: column.role, other: column.elsewhere}
        for each, role in granted.items() if column.head in users else ():
            if role is not Role.NO_ACCESS:
                server.grant(_user(server, users[column.head]), each, role)
    root = server.root
    place, model = f"{CONNECTIONS}/{connection}", f"{MODELS}/{shared[0]}"
    environments = f"{place}/dbt/environments"
    _made(root, f"{model}/git", GIT)
    _made(root, f"{place}/dbt", DBT, "PUT")
    base = {"baseConnectionId": other, "environmentConnectionIds": [more]}
    environment = _made(root, "/api/v1/connection-environments", base)["data"][0]["id"]
    _made(root, f"{place}/dbt/artifacts", json.loads(MANIFEST.read_bytes()))
    own = {
        head: _made(root, environments, {**ENVIRONMENT, "name": head, "ownerId": user})["id"]
        for head, user in users.items()
    }
    names = {
        "connections id": connection,
        "connectionId": connection,
        "another connection": crowded,
        "connection-environments id": environment,
        "environmentId": _made(root, environments, ENVIRONMENT)["id"],
        "provider": _made(root, "/api/v1/identity-providers", PROVIDER)["slug"],
        "scheduleId": _made(root, f"{place}/schedules", SCHEDULE)["scheduleId"],
        "jobId": job.id,
        "branchName": "b",
        "version": "1",
        "api-keys id": ids["another"],
        "users id": users["Viewer"],
        "Users id": users["Viewer"],
        "embed Users id": embedded.id,
        "user-attributes id": _made(root, "/api/v1/user-attributes", ATTRIBUTE)["id"],
        "miniUuid": group.mini_id,
        "urn": "urn:ietf:params:scim:schemas:core:2.0:User",
        "user-groups id": group.mini_id,
        "roleName": "Readers",
        "policyName": "default",
        "viewName": "o",
        "fieldName": "id",
        "topicName": "t",
        "name": "swagger-ui.css",
        "file": "signin.js",
        "sessionId": str(uuid.uuid4()),
        "userId": next(iter(users.values())),
        "webhook secret": root.get(f"{model}/git?include=webhookSecret").json()["webhookSecret"],
    }
    return World(tokens, users, connection, shared[0], branch, shared[1], names, own, ids)


def _made(root: Client, path: str, sent: Any, method: str = "POST") -> Any:
    answer = root.request(method, path, json=sent)
    assert answer.is_success, (path, answer.text)
    return answer.json()


def _token(server: Server, number: int, column: Column, scope: Scope | None) -> str | None:
    if column.kind == "personal":
        return server.personal(f"{number}@example.com")
    with server.unit() as unit:
        made = identity_tokens.issue(unit, OPERATOR, "organization", None, "key", scope=scope)
    return made[1].reveal()


def _token_ids(server: Server, tokens: Mapping[str, str | None]) -> dict[str, str]:
    listed = server.sql("SELECT id, digest FROM tokens")
    known = {bytes(digest): token_id for token_id, digest in listed}
    found = {head: known.get(digest(text)) for head, text in tokens.items() if text is not None}
    return {head: token_id for head, token_id in found.items() if token_id is not None}


def _bad_tokens(server: Server, connection: str) -> dict[str, str | None]:
    """None is let in: not even where the user is an admin."""
    unknown = generate("organization").reveal()
    suspended = server.member("suspended@example.com", **{connection: "CONNECTION_ADMIN"}).token
    ended = {name: server.key(name) for name in _ENDED} | {"suspended": suspended}
    for statement in _ENDED.values():
        server.sql(statement)
    return {"none": None, "malformed": "hunter2", "unknown": unknown, **ended}


def _user(server: Server, user_id: str) -> Any:
    with server.unit() as unit:
        return identity.user_of(unit, user_id)
