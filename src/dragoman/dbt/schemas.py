"""Shapes on the wire of dbt projects and their environments (contract §2.6)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dragoman.api.paging import PageInfo

Text = Annotated[str, Meta(min_length=1, max_length=500)]
Token = Annotated[str, Meta(max_length=1000, pattern=r"^[A-Za-z0-9_\-.]+$")]
Root = Annotated[str, Meta(max_length=400, pattern=r"^((?!/)(?!.*\.\.)[\w ./-]+)?$")]
Number = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$")]
KeyText = Annotated[str, Meta(min_length=1, max_length=20_000)]
Version = Literal["Auto", "1.10", "1.11"]


class DbtUpdate(
    msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """The body that configures the project of a connection."""

    autogen_relationships: bool
    branch: Text
    enable_virtual_schemas: bool
    ssh_url: Annotated[str, Meta(min_length=1, max_length=1000)]
    auth_method: Literal["ssh", "https_token", "github_app"] = "ssh"
    dbt_version: Version | None = None
    enable_semantic_layer: bool = False
    github_app_id: Number | UnsetType = UNSET
    github_app_installation_id: Number | UnsetType = UNSET
    github_app_private_key: KeyText | UnsetType = UNSET
    host_key: Annotated[str, Meta(max_length=3000)] | UnsetType | None = UNSET
    project_root_path: Root | None = None
    rotate_keys: bool = False
    token: Token | UnsetType = UNSET


class DbtConfigured(msgspec.Struct, rename="camel", kw_only=True):
    """The project of a connection. `publicKey`, `authMethod`, `hostKey` and `artifactsAt` (when the
    manifest in use was compiled or sent) go beyond the contract."""

    autogen_relationships: bool
    branch: str
    dbt_version: str
    enable_semantic_layer: bool
    enable_virtual_schemas: bool
    project_root_path: str | None
    ssh_url: str
    supports_dbt: bool = True
    auth_method: str
    github_app_id: str | None
    github_app_installation_id: str | None
    public_key: str | None
    host_key: str | None
    artifacts_at: str | None


class DbtNotConfigured(msgspec.Struct, rename="camel"):
    """No project."""

    message: str
    supports_dbt: bool


class Done(msgspec.Struct):
    """A change that was made."""

    message: str
    success: bool = True


class VariableBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A variable of an environment: with an `id` one that is there, without one a new one."""

    is_secret: bool
    id: str | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    value: Annotated[str, Meta(max_length=20_000)] | UnsetType | None = UNSET


class EnvironmentBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The body that makes or changes an environment."""

    name: Text
    target_schema: Text
    owner_id: str | None = None
    target_database: Text | None = None
    target_name: Text | None = None
    target_role: Text | None = None
    variables: list[VariableBody] = []
    is_deferral_enabled: bool = False


class VariableRow(msgspec.Struct, rename="camel"):
    """A variable; the value of a secret one is null."""

    id: str
    is_secret: bool
    name: str
    value: str | None


class EnvironmentRow(msgspec.Struct, rename="camel", kw_only=True):
    """An environment."""

    id: str
    is_default_environment: bool
    name: str
    owner_id: str | None
    target_database: str | None
    target_name: str | None
    target_role: str | None
    target_schema: str
    is_deferral_enabled: bool
    variables: list[VariableRow]


class EnvironmentList(msgspec.Struct, rename="camel"):
    """A page of environments."""

    page_info: PageInfo
    records: list[EnvironmentRow]


class BranchDbt(msgspec.Struct, forbid_unknown_fields=True):
    """The body that binds a branch to an environment."""

    dbt_environment_id: str
    dbt_git_branch: Text | None = None


class ImportBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body that imports a project into a model or a branch. `dry_run`: only say what would
    change. `source`: `git` fetches `target/manifest.json` first, `upload` takes what was sent."""

    branch_id: str | None = None
    dry_run: bool = False
    source: Literal["git", "upload"] = "upload"


class ImportAnswer(msgspec.Struct):
    """What an import changed, file by file, and what of the project could not be said."""

    success: bool
    version: int | None
    files: dict[str, str]
    notes: list[dict[str, str]]


class Uploaded(msgspec.Struct, rename="camel"):
    """What is in a manifest that was sent."""

    success: bool
    dbt_version: str
    tables: int
    tests: int
    metrics: int
    semantic_models: int


class ExposureList(msgspec.Struct, rename="camel"):
    """A page of exposures, one for each dashboard."""

    page_info: PageInfo
    records: list[dict[str, Any]]
