"""The route table as a whole: permissions, the API document, and the contract's operations."""

from __future__ import annotations

import http
import uuid
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from dragoman.access.policy import RULES, Permission, admits
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.routing import Route
from dragoman.app import routes
from dragoman.connections.authorizing import CALLBACK
from tests.support.bodies import body
from tests.support.clients import Client
from tests.support.server import CONNECTIONS, MODELS, Server

ROUTES = routes()
MODEL = "/api/v1/models/{modelId}"
SCHEDULES = "/api/v1/connections/{connectionId}/schedules"

GIT = {
    "authMethod", "baseBranch", "branchPerPullRequest", "cloneUrl", "gitFollower",
    "gitServiceProvider", "modelPath", "publicKey", "requirePullRequest", "sshUrl", "webUrl",
    "webhookUrl",
}  # fmt: skip
DBT = "/api/v1/connections/{id}/dbt"
ENVIRONMENT = {
    "id", "isDefaultEnvironment", "name", "ownerId", "targetDatabase", "targetName", "targetRole",
    "targetSchema", "variables",
}  # fmt: skip
KEY = {"createdAt", "enabled", "id", "membershipId", "name", "type"}
# The published operations that exist here: method, path and id, and the answer's required keys.
CONTRACT = {
    ("GET", "/api/v1/connections"): ("connectionsList", {"connections"}),
    ("POST", "/api/v1/connections"): ("connectionsCreate", {"data", "success"}),
    ("PATCH", "/api/v1/connections/{id}"): ("connectionsUpdate", {"message", "success"}),
    ("GET", "/api/v1/connection-environments"): (
        "connectionEnvironmentsList",
        {"connectionEnvironments"},
    ),
    ("POST", "/api/v1/connection-environments"): (
        "connectionEnvironmentsCreate",
        {"connectionEnvironments"},
    ),
    ("PUT", "/api/v1/connection-environments/{id}"): ("connectionEnvironmentsUpdate", {"success"}),
    ("DELETE", "/api/v1/connection-environments/{id}"): (
        "connectionEnvironmentsDelete",
        {"success"},
    ),
    ("GET", f"{SCHEDULES}"): ("connectionsSchedulesList", {"schedules"}),
    ("POST", f"{SCHEDULES}"): ("connectionsSchedulesCreate", set()),
    ("GET", f"{SCHEDULES}/{{scheduleId}}"): ("connectionsSchedulesGet", set()),
    ("PUT", f"{SCHEDULES}/{{scheduleId}}"): ("connectionsSchedulesUpdate", set()),
    ("DELETE", f"{SCHEDULES}/{{scheduleId}}"): ("connectionsSchedulesDelete", {"success"}),
    ("GET", "/api/v1/models"): ("modelsList", {"pageInfo", "records"}),
    ("POST", "/api/v1/models"): ("modelsCreate", {"success"}),
    ("PATCH", f"{MODEL}"): ("modelsUpdate", {"model", "success"}),
    ("POST", f"{MODEL}/branch/{{branchName}}/merge"): (
        "modelsMergeBranch",
        {"failed_drafts_count", "git_synced", "published_drafts_count", "success"},
    ),
    ("DELETE", f"{MODEL}/branch/{{branchName}}"): ("modelsDeleteBranch", {"success"}),
    ("GET", f"{MODEL}/schemas"): ("modelsGetSchemas", {"schemas"}),
    ("POST", f"{MODEL}/refresh"): ("modelsRefresh", {"jobId", "modelId", "status"}),
    ("GET", f"{MODEL}/validate"): ("modelsValidate", set()),
    ("GET", f"{MODEL}/content-validator"): (
        "modelsContentValidatorGet",
        {"branch", "content", "model_id"},
    ),
    ("POST", f"{MODEL}/content-validator"): (
        "modelsContentValidatorReplace",
        {
            "replaced_dashboard_filters_count",
            "replaced_documents_count",
            "replaced_queries_count",
            "replaced_workbook_models_count",
            "skipped_pr_required_count",
        },
    ),
    ("POST", f"{MODEL}/migrate"): ("modelsMigrate", {"success"}),
    ("GET", f"{MODEL}/yaml"): ("modelsYamlGet", {"files", "version"}),
    ("POST", f"{MODEL}/yaml"): ("modelsYamlCreate", {"files", "version"}),
    ("DELETE", f"{MODEL}/yaml"): ("modelsYamlDelete", set()),
    ("GET", f"{MODEL}/view"): ("modelsGetViews", {"success", "views"}),
    ("PATCH", f"{MODEL}/view/{{viewName}}"): ("modelsUpdateView", {"success"}),
    ("DELETE", f"{MODEL}/view/{{viewName}}"): ("modelsDeleteView", {"success"}),
    ("POST", f"{MODEL}/field"): ("modelsCreateField", {"success"}),
    ("PATCH", f"{MODEL}/view/{{viewName}}/field/{{fieldName}}"): ("modelsUpdateField", {"success"}),
    ("DELETE", f"{MODEL}/view/{{viewName}}/field/{{fieldName}}"): (
        "modelsDeleteField",
        {"success"},
    ),
    ("GET", f"{MODEL}/topic"): ("modelsListTopics", {"success", "topics"}),
    ("GET", f"{MODEL}/topic/{{topicName}}"): ("modelsGetTopic", {"success", "topic"}),
    ("PATCH", f"{MODEL}/topic/{{topicName}}"): ("modelsUpdateTopic", {"success"}),
    ("DELETE", f"{MODEL}/topic/{{topicName}}"): ("modelsDeleteTopic", {"success"}),
    ("POST", f"{MODEL}/cache_reset/{{policyName}}"): (
        "modelsCacheReset",
        {"cache_reset", "success"},
    ),
    ("GET", "/api/v1/api-keys"): ("apiKeysList", {"pageInfo", "records"}),
    ("GET", "/api/v1/api-keys/{id}"): ("apiKeysGet", KEY),
    ("PUT", "/api/v1/api-keys/{id}"): ("apiKeysUpdate", KEY),
    ("DELETE", "/api/v1/api-keys/{id}"): ("apiKeysDelete", {"message", "success"}),
    ("GET", "/api/v1/jobs/{jobId}/status"): ("jobsGetStatus", {"job_id", "status"}),
    ("GET", DBT): ("connectionsDbtGet", {"supportsDbt"}),
    ("PUT", DBT): ("connectionsDbtUpdate", {"message", "success"}),
    ("DELETE", DBT): ("connectionsDbtDelete", {"message", "success"}),
    ("GET", f"{DBT}/environments"): ("connectionsDbtEnvironmentsList", {"pageInfo", "records"}),
    ("POST", f"{DBT}/environments"): ("connectionsDbtEnvironmentsCreate", ENVIRONMENT),
    ("PUT", f"{DBT}/environments/{{environmentId}}"): (
        "connectionsDbtEnvironmentsUpdate",
        ENVIRONMENT,
    ),
    ("DELETE", f"{DBT}/environments/{{environmentId}}"): (
        "connectionsDbtEnvironmentsDelete",
        {"message", "success"},
    ),
    ("POST", f"{MODEL}/branch/{{branchName}}/dbt"): ("modelsBranchDbt", {"success"}),
    ("GET", f"{MODEL}/dbt-exposures"): ("modelsDbtExposures", {"pageInfo", "records"}),
    ("POST", "/api/v1/embed/sso/generate-session"): ("embedSsoGenerateSession", {"sessionId"}),
    ("GET", f"{MODEL}/git"): ("modelsGitGet", GIT),
    ("POST", f"{MODEL}/git"): ("modelsGitCreate", GIT),
    ("PATCH", f"{MODEL}/git"): ("modelsGitUpdate", GIT),
    ("DELETE", f"{MODEL}/git"): ("modelsGitDelete", {"message", "success"}),
    ("POST", f"{MODEL}/git/sync"): ("modelsGitSync", {"didSync", "gitSha", "inSync", "message"}),
    ("POST", f"{MODEL}/git/commit"): (
        "modelsCommit",
        {"did_sync", "git_sha", "in_sync", "pr_url"},
    ),
}
# Operations of later versions of the contract.
# Answers of lines and documents, whose shape no JSON schema has.
STREAMED = {("POST", "/api/v1/query/run"), ("GET", "/api/v1/query/wait")}
LATER = {
    ("GET", "/api/v1/connections/{id}"),
    ("DELETE", "/api/v1/connections/{id}"),
    ("DELETE", "/api/v1/models/{modelId}"),
}
# The contract's, with bodies that their own tests look at.
ELSEWHERE = {
    (route.method, route.path)
    for route in ROUTES
    if route.path.startswith(("/api/scim/v2/Users", "/api/scim/v2/Groups", "/api/scim/v2/embed/"))
    or route.path.startswith("/api/v1/users/email-only")
    or route.path.endswith("/model-roles")
    or (route.method, route.path) == ("GET", "/api/v1/user-attributes")
    or route.path == "/api/v1/whoami"
}
PUBLIC = {
    "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/{name}",
}  # fmt: skip
# Open to everybody who signs the body.
SIGNED = {"/api/webhooks/model/{modelId}"}
# Where people sign in: tests/signin has what these do. An empty body or a token suits few of them.
SIGNING_IN = {route.path for route in ROUTES if route.tag in ("Signing in", "Embed")}


def ids(route: Route) -> str:
    return f"{route.method} {route.path}"


# One server for all: each call comes from a caller of its own, for a connection of its own.
@pytest.fixture(scope="module")
def place(shared_sqlite_server: Server) -> Server:
    return shared_sqlite_server


@pytest.fixture(scope="module")
def document(place: Server) -> dict[str, Any]:
    answer = place.anonymous.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def test_table_is_well_formed() -> None:
    names = [route.operation_id for route in ROUTES]
    assert len(set(names)) == len(names)
    places = [(route.method, route.path) for route in ROUTES]
    assert len(set(places)) == len(places)
    for route in ROUTES:
        assert route.permission in RULES
        assert route.summary
        assert http.HTTPStatus(route.status)
        # Nothing is public by accident, and nothing public dials a database.
        if route.path not in SIGNING_IN:
            is_open = route.path in PUBLIC | SIGNED
            assert (route.permission is Permission.PUBLIC) == is_open, route.path


def test_document_is_openapi(document: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(OPENAPI_31)
    assert [str(error) for error in validator.iter_errors(document)] == []


def test_every_schema_of_the_document_is_json_schema(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": jsonschema_rs_dialect(), **schema})
        assert name


def jsonschema_rs_dialect() -> str:
    return "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            mine = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            mapping = value.get("discriminator", {}).get("mapping", {}).values()
            return mine + [*mapping] + [r for each in value.values() for r in references(each)]
        if isinstance(value, list):
            return [r for each in value for r in references(each)]
        return []

    found = references(document)
    assert found
    for reference in set(found):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_every_route_is_in_the_document(document: dict[str, Any]) -> None:
    told = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert set(told) == {(route.method, route.path) for route in ROUTES}
    for route in ROUTES:
        operation = told[route.method, route.path]
        assert operation["operationId"] == route.operation_id
        assert str(route.status) in operation["responses"]
        if route.permission is not Permission.PUBLIC:
            always = {"403", "429"} if route.refuses_without_401 else {"401", "403", "429"}
            assert always <= set(operation["responses"])
        named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert named == set(route.path_names)


def test_contracts_operations_are_there(document: dict[str, Any]) -> None:
    for (method, path), (operation_id, required) in CONTRACT.items():
        operation = document["paths"][path][method.lower()]
        assert operation["operationId"] == operation_id
        assert "x-extension" not in operation
        [success] = [code for code in operation["responses"] if code.startswith("2")]
        schema = operation["responses"][success]["content"]["application/json"]["schema"]
        while "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        assert required <= set(schema.get("properties", ())), path
        assert required <= set(schema.get("required", ())), path
    for route in ROUTES:
        known = (route.method, route.path) in {*CONTRACT, *STREAMED, *LATER, *ELSEWHERE}
        assert route.extension is not known, ids(route)


def test_created_bodies_fit_their_schema(document: dict[str, Any]) -> None:
    from tests.support.bodies import NAMES

    root = {"$ref": "#/components/schemas/CreateConnection", "components": document["components"]}
    validator = jsonschema_rs.validator_for(root)
    for dialect in NAMES:
        assert [str(error) for error in validator.iter_errors(body(dialect))] == [], dialect
    assert not validator.is_valid({"dialect": "nothing", "name": "x"})


# A walk over all routes with three kinds of callers


def call(client: Client, route: Route, connection_id: str) -> int:
    path = route.path.replace("{name}", "start.js").replace("{file}", "signin.js")
    for name in ("{id}", "{connectionId}", "{modelId}", "{scheduleId}", "{jobId}"):
        path = path.replace(name, connection_id)  # a schema model has its connection's id
    content = b"{}" if route.method in ("POST", "PUT", "PATCH") else None
    return client.request(route.method, path, content=content).status_code


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_walk_without_a_token(place: Server, route: Route) -> None:
    status = call(place.anonymous, route, str(uuid.uuid4()))
    refused = 400 if route.refuses_without_401 else 401
    if route.path in SIGNING_IN and route.permission is Permission.PUBLIC:
        assert status in (200, 400, 401, 403, 404)
    else:
        assert status == (200 if route.path in PUBLIC else refused)


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_walk_as_a_member_without_any_role(place: Server, route: Route) -> None:
    """What belongs to a connection looks absent, what belongs to the organization is forbidden."""
    hidden = place.create()
    nobody = place.member(f"{uuid.uuid4()}@example.com")
    status = call(nobody, route, hidden)
    everybodys = {
        Permission.PUBLIC,
        Permission.SIGNED_IN,
        Permission.CONNECTIONS_LIST,
        Permission.MODELS_LIST,
    }
    if route.path in SIGNED:
        assert status == 401
    elif route.path in SIGNING_IN:
        assert status in (200, 400, 401, 403, 404)
    elif route.permission in everybodys and route.path != CALLBACK:
        assert status == 200
    elif route.permission in (Permission.API_KEYS_OWN, Permission.API_KEYS_CREATE):
        # They have one key: that of the caller, which has another id.
        wanted = {"GET": 200, "POST": 400} if route.path.endswith("api-keys") else {}
        assert status == wanted.get(route.method, 404)
    elif route.path.startswith("/api/v1/query/"):
        assert status == 400  # a question names its model in its body
    elif route.permission is Permission.MODELS_MIGRATE:
        assert status == 403  # for organization keys, whatever the model
    elif route.path.endswith("/model-roles"):
        assert status == (400 if route.method == "POST" else 403)  # the body says on what
    elif route.path == CALLBACK:
        assert status == 400  # nothing was begun
    elif route.path.startswith((f"{CONNECTIONS}/{{", "/connections/{", MODELS, "/api/v1/jobs/")):
        # Bodies may be looked at before the connection is; they never tell whether it is there.
        assert status in (400, 404)
        assert status == call(nobody, route, str(uuid.uuid4()))
    else:
        assert status == 403
    assert place.show(hidden)["id"] == hidden


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_walk_with_an_organization_key(place: Server, route: Route) -> None:
    made = place.create("duckdb")
    refusals = {403, 405, 500} if route.path in SIGNED else {401, 403, 405, 500}
    if route.path in SIGNING_IN and route.permission is Permission.PUBLIC:
        refusals = {405, 500}  # what an empty call lacks there is no key
    assert call(place.root, route, made) not in refusals


def test_rules_are_monotonous() -> None:
    """An organization key may do all; a member is not admitted to what asks for one, or for an
    organization admin."""
    admin = Principal(PrincipalKind.ORGANIZATION, "key", organization_admin=True)
    member = Principal(PrincipalKind.PERSONAL, "m", user_id="u")
    for permission in Permission:
        assert admits(admin, permission)
    refused = {permission for permission in Permission if not admits(member, permission)}
    assert refused == {
        Permission.ENVIRONMENTS_MANAGE,
        Permission.AUDIT_READ,
        Permission.USERS_MANAGE,
        Permission.API_KEYS_MANAGE,
        Permission.ATTRIBUTES_MANAGE,
        Permission.EMAIL_ONLY_READ,
        Permission.EMAIL_ONLY_MANAGE,
        Permission.MODELS_MIGRATE,
        Permission.SCIM,
        Permission.EMBED,
        Permission.ROLES_DEFINE,
        Permission.IDENTITY_PROVIDERS_MANAGE,
    }
