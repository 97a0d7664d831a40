"""Wire shapes of models, branches and versions (contract §3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from dragoman.api.paging import PageInfo


class AccessGrant(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An access grant of a new model."""

    name: str
    access_boostable: bool
    user_attribute: str | None = None
    allowed_values: list[str] = []
    ignored: bool = False
    code_comments: dict[str, str] = {}


class CreateModel(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What makes a model. Two spellings of isolated branches are in use."""

    connection_id: str
    model_kind: Literal["SCHEMA", "SHARED", "SHARED_EXTENSION", "BRANCH"] = "SCHEMA"
    model_name: str | None = None
    base_model_id: str | None = None
    access_grants: list[AccessGrant] = []
    allow_as_workbook_base: bool = False
    uses_isolated_branches: bool = False
    use_isolated_branches: bool = False


class MadeModel(msgspec.Struct, rename="camel"):
    """A model in the answer of its making."""

    id: str
    name: str | None
    model_kind: str


class ModelCreated(msgspec.Struct):
    """`message` only where there is something to say."""

    model: MadeModel
    success: bool = True
    message: str | msgspec.UnsetType = msgspec.UNSET


class UpdateModel(msgspec.Struct, forbid_unknown_fields=True):
    """A new name."""

    name: Annotated[str, msgspec.Meta(min_length=1)]


class ModelRow(msgspec.Struct, rename="camel", kw_only=True):
    """A model in a list. `branches` only when they were asked for."""

    id: str
    name: str | None
    model_kind: str
    connection_id: str
    base_model_id: str | None
    created_at: str
    updated_at: str
    deleted_at: str | None
    version: int
    branches: list[BranchName] | msgspec.UnsetType = msgspec.UNSET


class BranchName(msgspec.Struct):
    """A branch of a model; `id` is the branchId of other operations."""

    id: str
    name: str


class ModelList(msgspec.Struct, rename="camel"):
    """A page of models."""

    page_info: PageInfo
    records: list[ModelRow]


class RenamedModel(msgspec.Struct):
    """A model after its name changed."""

    id: str
    name: str


class ModelUpdated(msgspec.Struct):
    """The answer of a rename."""

    model: RenamedModel
    success: bool = True


class MergeBranch(msgspec.Struct, forbid_unknown_fields=True):
    """How a branch is merged."""

    commit_message: str = ""
    delete_branch: bool = False
    publish_drafts: bool = True
    force_override_git_settings: bool = False


class BranchMerged(msgspec.Struct):
    """`version` of the base model after the merge, and the files that changed in it."""

    version: int
    files: list[str]
    success: bool = True
    git_synced: bool = False
    published_drafts_count: int = 0
    failed_drafts_count: int = 0


class UpdateBranch(msgspec.Struct, forbid_unknown_fields=True):
    """`prefer`: whose value stands where both sides changed one."""

    prefer: Literal["branch", "shared"] | None = None
    commit_message: str = ""


class Saved(msgspec.Struct):
    """The version that a save made."""

    version: int
    success: bool = True


class MergePreview(msgspec.Struct):
    """What merging would do: the files it would change, and the conflicts in its way."""

    mergeable: bool
    files: list[str]
    conflicts: list[dict[str, Any]]


class VersionRow(msgspec.Struct, rename="camel"):
    """A version. `files`: path to whether the save wrote it (`written`) or deleted it."""

    version: int
    author_id: str | None
    author_name: str
    message: str
    created_at: str
    files: dict[str, Literal["written", "deleted"]]


class VersionList(msgspec.Struct):
    """Versions, the newest first."""

    versions: list[VersionRow]


class RestoreVersion(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """`fileNames`: only these; none means all."""

    commit_message: str = ""
    file_names: list[str] = []


class ResetCache(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Since when results are stale; absent: since now."""

    reset_at: str | None = None


class CacheReset(msgspec.Struct):
    """A reset as it is stored."""

    model_id: str
    policy_name: str
    reset_at: str
    created_at: str
    updated_at: str


class CacheResetDone(msgspec.Struct):
    """The answer of a reset."""

    cache_reset: CacheReset
    success: bool = True
