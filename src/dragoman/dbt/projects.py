"""The dbt project of a connection: where it lies, and its newest artifacts."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import delete as delete_rows
from sqlalchemy import insert, select, update

from dragoman import audit
from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, NotFound
from dragoman.connections import service as connections
from dragoman.connections.events import Event
from dragoman.dbt.manifest import Manifest, ManifestError, read_catalog, read_manifest
from dragoman.dbt.schemas import DbtConfigured, DbtNotConfigured, DbtUpdate
from dragoman.dbt.tables import dbt_artifacts, dbt_environments
from dragoman.dbt.tables import dbt_projects as table
from dragoman.gitremote import (
    GitFailure,
    Installation,
    Limits,
    Remote,
    RepositoryAddress,
    access_to,
    generate_key,
    githubapp,
    hosts,
    parse_address,
)
from dragoman.secret import SecretStr
from dragoman.store import UnitOfWork
from dragoman.vault import Context, Vault, VaultError, shelf

if TYPE_CHECKING:
    from dragoman.connections.service import Connection
    from dragoman.house import House

RESOURCE = "dbt_project"
ENVIRONMENT = "dbt_environment"
_SECRETS = {"ssh": "privateKey", "https_token": "token", "github_app": "githubAppPrivateKey"}
NOT_CONFIGURED = "dbt not configured for this connection"
# Dialects that dbt has an adapter for which its makers or the database's keep up.
SUPPORTED = frozenset(
    {
        *("athena", "bigquery", "clickhouse", "databricks", "databricks_lakebase", "duckdb"),
        *("fabric", "motherduck", "mssql", "oracle", "postgres", "redshift", "snowflake"),
        *("starrocks", "trino"),
    }
)
# What a project's target may hold; a manifest of thousands of models has tens of megabytes.
ARTIFACT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Project:
    """A row of `dbt_projects`."""

    connection_id: str
    ssh_url: str
    branch: str
    project_root_path: str | None
    dbt_version: str
    autogen_relationships: bool
    enable_semantic_layer: bool
    enable_virtual_schemas: bool
    auth_method: str
    public_key: str | None
    host_key: str | None
    github_app_id: str | None
    github_app_installation_id: str | None
    created_at: str
    updated_at: str

    @property
    def address(self) -> RepositoryAddress:
        """The repository's URL, taken apart."""
        return parse_address(self.ssh_url)

    @property
    def secret_name(self) -> str:
        """Which secret opens the repository."""
        return _SECRETS[self.auth_method]

    @property
    def installation(self) -> Installation | None:
        """The GitHub App's, where one opens the repository."""
        if self.auth_method != "github_app":
            return None
        return Installation(self.github_app_id or "", self.github_app_installation_id or "")

    def context(self) -> Context:
        """What its secret is bound to."""
        place = self.address.destination
        return Context(RESOURCE, self.connection_id, self.secret_name, place)


def connection_of(
    unit: UnitOfWork,
    principal: Principal,
    connection_id: str,
    permission: Permission = Permission.CONNECTIONS_UPDATE,
) -> Connection:
    """A connection whose project the principal may manage. Raises `NotFound`, `Forbidden`."""
    return connections.get(unit, principal, connection_id, permission)


def load(unit: UnitOfWork, connection_id: str) -> Project | None:
    """The project of a connection, whoever asks."""
    row = unit.db.execute(select(table).where(table.c.connection_id == connection_id)).first()
    return None if row is None else Project(*row)


def show(unit: UnitOfWork, connection: Connection) -> DbtConfigured | DbtNotConfigured:
    """The project as the API gives it."""
    if connection.dialect not in SUPPORTED:
        return DbtNotConfigured(f"dbt has no adapter for {connection.dialect}", False)
    found = load(unit, connection.id)
    if found is None:
        return DbtNotConfigured(NOT_CONFIGURED, True)
    mine = dbt_artifacts.c.connection_id == connection.id
    moment = unit.db.execute(select(dbt_artifacts.c.updated_at).where(mine)).scalar()
    named = {n: getattr(found, n) for n in DbtConfigured.__struct_fields__ if hasattr(found, n)}
    return DbtConfigured(**named, artifacts_at=moment)


def put(
    unit: UnitOfWork, vault: Vault, principal: Principal, connection: Connection, body: DbtUpdate
) -> None:
    """Configure the project of a connection, or change it. Raises `BadRequest`."""
    if connection.dialect not in SUPPORTED:
        raise BadRequest(f"Bad Request: dbt has no adapter for {connection.dialect}")
    before = load(unit, connection.id)
    wanted, secret = _drafted(unit, connection.id, before, body)
    if before is None:
        unit.db.execute(insert(table).values(asdict(wanted)))
    else:
        mine = table.c.connection_id == connection.id
        unit.db.execute(update(table).where(mine).values(asdict(wanted)))
        if before.secret_name != wanted.secret_name:
            shelf.remove(unit, RESOURCE, connection.id, before.secret_name)
    if secret is not None:
        shelf.put(unit, vault, wanted.context(), secret)
    told = [_told(each) if each else None for each in (before, wanted)]
    audit.record(unit, principal, "dbt.update", ("connection", connection.id), *told)


def _drafted(
    unit: UnitOfWork, connection_id: str, before: Project | None, body: DbtUpdate
) -> tuple[Project, SecretStr | None]:
    try:
        address = parse_address(body.ssh_url)
    except GitFailure as failure:
        raise BadRequest(f"Bad Request: sshUrl: {failure.message}") from None
    if address.transport != ("ssh" if body.auth_method == "ssh" else "https"):
        raise BadRequest(f"Bad Request: sshUrl: not an address for authMethod {body.auth_method}")
    moved = before is None or before.address.destination != address.destination
    host_key = None if before is None or moved else before.host_key
    if body.host_key is not msgspec.UNSET:
        host_key = body.host_key or None
    wanted = Project(
        connection_id=connection_id,
        ssh_url=body.ssh_url,
        branch=body.branch,
        project_root_path=body.project_root_path or None,
        dbt_version=body.dbt_version or "Auto",
        autogen_relationships=body.autogen_relationships,
        enable_semantic_layer=body.enable_semantic_layer,
        enable_virtual_schemas=body.enable_virtual_schemas,
        auth_method=body.auth_method,
        public_key=None,
        host_key=host_key,
        github_app_id=None,
        github_app_installation_id=None,
        created_at=before.created_at if before else unit.now,
        updated_at=unit.now,
    )
    return _with_secret(wanted, before, body, moved)


def _with_secret(
    wanted: Project, before: Project | None, body: DbtUpdate, moved: bool
) -> tuple[Project, SecretStr | None]:
    same = before is not None and before.auth_method == wanted.auth_method and not moved
    if wanted.auth_method == "github_app":
        return _with_app(wanted, before if same else None, body)
    if wanted.auth_method == "ssh":
        if body.token is not msgspec.UNSET:
            raise BadRequest("Bad Request: token: only with authMethod https_token")
        if same and before is not None and not body.rotate_keys:
            return replace(wanted, public_key=before.public_key), None
        key = generate_key(f"dragoman-dbt-{wanted.connection_id[:8]}")
        return replace(wanted, public_key=key.public), key.private
    if body.token is not msgspec.UNSET:
        return wanted, SecretStr(body.token)
    if not same:
        raise BadRequest(
            "Bad Request: token: Required when authMethod is https_token",
            extra={"code": "secret_required"},
        )
    return wanted, None


def _with_app(
    wanted: Project, before: Project | None, body: DbtUpdate
) -> tuple[Project, SecretStr | None]:
    """`before`: a project whose key is still of use."""
    told = {
        "github_app_id": "githubAppId",
        "github_app_installation_id": "githubAppInstallationId",
    }
    numbers: dict[str, str | None] = {}
    for name, shown in told.items():
        given = getattr(body, name)
        numbers[name] = getattr(before, name, None) if given is msgspec.UNSET else given
        if numbers[name] is None:
            raise BadRequest(f"Bad Request: {shown}: Required when authMethod is github_app")
    wanted = replace(wanted, **numbers)
    if body.github_app_private_key is msgspec.UNSET:
        if before is None:
            raise BadRequest(
                "Bad Request: githubAppPrivateKey: Required when authMethod is github_app",
                extra={"code": "secret_required"},
            )
        return wanted, None
    key = SecretStr(body.github_app_private_key)
    try:
        githubapp.check_key(key)
    except GitFailure as failure:
        raise BadRequest(f"Bad Request: githubAppPrivateKey: {failure.message}") from None
    return wanted, key


def remove(unit: UnitOfWork, principal: Principal, connection: Connection) -> None:
    """Unlink the project. Raises `NotFound`."""
    before = load(unit, connection.id)
    if before is None:
        raise NotFound(NOT_CONFIGURED)
    unit.db.execute(delete_rows(table).where(table.c.connection_id == connection.id))
    shelf.remove(unit, RESOURCE, connection.id)
    audit.record(unit, principal, "dbt.delete", ("connection", connection.id), _told(before))


def follow_connection(
    unit: UnitOfWork, _principal: Principal, connection: Connection, event: Event
) -> None:
    """Wipe the secrets of the dbt project and its environments when their connection goes to the
    trash, as its own are."""
    if event is not Event.DELETED:
        return
    shelf.remove(unit, RESOURCE, connection.id)
    mine = select(dbt_environments.c.id).where(dbt_environments.c.connection_id == connection.id)
    for environment_id in unit.db.execute(mine).scalars().all():
        shelf.remove(unit, ENVIRONMENT, environment_id)


def keep(
    unit: UnitOfWork,
    principal: Principal,
    connection_id: str,
    manifest: bytes,
    catalog: bytes | None,
    commit: str | None = None,
) -> None:
    """Keep artifacts as the newest of the connection; both were read without a complaint."""
    mine = dbt_artifacts.c.connection_id == connection_id
    unit.db.execute(delete_rows(dbt_artifacts).where(mine))
    row = {
        "connection_id": connection_id,
        "manifest": zlib.compress(manifest),
        "catalog": None if catalog is None else zlib.compress(catalog),
        "commit": commit,
        "updated_at": unit.now,
    }
    unit.db.execute(insert(dbt_artifacts).values(row))
    after = {"bytes": len(manifest), "commit": commit}
    audit.record(unit, principal, "dbt.artifacts", ("connection", connection_id), after=after)


def has_manifest(unit: UnitOfWork, connection_id: str) -> bool:
    """Whether a manifest was kept."""
    mine = dbt_artifacts.c.connection_id == connection_id
    return unit.db.execute(select(dbt_artifacts.c.connection_id).where(mine)).first() is not None


def kept_manifest(unit: UnitOfWork, connection_id: str) -> Manifest:
    """The newest manifest of a connection. Raises `NotFound`."""
    mine = dbt_artifacts.c.connection_id == connection_id
    found = unit.db.execute(select(dbt_artifacts.c.manifest).where(mine)).scalar()
    if found is None:
        raise NotFound("No dbt manifest is there for this connection: send one, or fetch it")
    return read_manifest(zlib.decompress(found))


def checked(manifest: bytes, catalog: bytes | None) -> Manifest:
    """Read artifacts that somebody sent. Raises `BadRequest`."""
    try:
        if catalog is not None:
            read_catalog(catalog)
        return read_manifest(manifest)
    except ManifestError as error:
        raise BadRequest(f"Bad Request: {error.message}", extra={"fix": error.fix}) from None


def fetch(house: House, project: Project, sealed: str | None) -> tuple[str, bytes, bytes | None]:
    """The commit, manifest and catalog under the project's `target`. Blocks.

    Raises `GitFailure`, and `BadRequest` where no manifest is committed.
    """
    remote = _remote(house, project, sealed)
    folder = "/".join(part for part in (project.project_root_path or "", "target") if part)
    found = remote.snapshot(project.branch, folder, ("manifest.json", "catalog.json"))
    manifest = found.files.get("manifest.json")
    if found.commit is None or manifest is None:
        raise BadRequest(
            f"Bad Request: there is no {folder}/manifest.json on {project.branch}",
            extra={"fix": "Let CI commit it after `dbt compile`, or send it to …/dbt/artifacts."},
        )
    return found.commit, manifest, found.files.get("catalog.json")


def _remote(house: House, project: Project, sealed: str | None) -> Remote:
    try:
        secret = house.vault.open(sealed or "", project.context())
    except VaultError:
        raise BadRequest(f"Bad Request: the stored {project.secret_name} does not open") from None
    access = access_to(
        house.network,
        project.address,
        hosts.provider_of("auto", project.address),
        secret,
        project.host_key,
        project.installation,
    )
    limits = replace(Limits(), file_bytes=ARTIFACT_BYTES)
    cache = house.settings.home / "git" / f"dbt-{project.connection_id}"
    return Remote(house.network, access, cache, limits)


def _told(project: Project) -> dict[str, object]:
    hidden = ("created_at", "updated_at", "public_key")
    return {name: value for name, value in asdict(project).items() if name not in hidden}
