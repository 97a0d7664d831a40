"""Shapes on the wire of a model's git repository (contract §3.7)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

AuthMethod = Literal["ssh", "https_token", "github_app"]
PullRequests = Literal["always", "users-only", "never"]
ProviderChoice = Literal[
    "github", "gitlab", "azure_devops", "bitbucket", "bitbucket_datacenter", "auto"
]
Url = Annotated[str, Meta(min_length=1, max_length=1000)]
Branch = Annotated[str, Meta(min_length=1, max_length=200)]
Token = Annotated[str, Meta(max_length=1000, pattern=r"^[a-zA-Z0-9_\-.]+$")]
KeyText = Annotated[str, Meta(min_length=1, max_length=20_000)]
HostKey = Annotated[str, Meta(max_length=3000)]
Number = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$")]
Person = Annotated[str, Meta(max_length=200)]
Path = Annotated[str, Meta(max_length=400)]


class GitBody(
    msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """What a configuration may be given; the same names are there to change one.

    `hostKey` (ours): the SSH host key to trust, as `type base64`; null trusts the next one.
    `githubAppId` and `githubAppPrivateKey` (ours): of the App whose installation is named.
    `signCommits` (ours) makes a key to sign commits with, `rotateSigningKey` another one.
    """

    auth_method: AuthMethod | UnsetType = UNSET
    base_branch: Branch | UnsetType = UNSET
    branch_per_pull_request: bool | UnsetType = UNSET
    clone_url: Url | UnsetType = UNSET
    committer_email: Person | UnsetType | None = UNSET
    committer_name: Person | UnsetType | None = UNSET
    deploy_key_passphrase: str | UnsetType | None = UNSET
    deploy_private_key: KeyText | UnsetType = UNSET
    git_follower: bool | UnsetType = UNSET
    git_service_provider: ProviderChoice | UnsetType = UNSET
    github_app_id: Number | UnsetType = UNSET
    github_app_installation_id: Number | UnsetType = UNSET
    github_app_private_key: KeyText | UnsetType = UNSET
    host_key: HostKey | UnsetType | None = UNSET
    model_path: Path | UnsetType = UNSET
    require_pull_request: PullRequests | UnsetType = UNSET
    rotate_signing_key: bool = False
    sign_commits: bool | UnsetType = UNSET
    ssh_url: Url | UnsetType = UNSET
    token: Token | UnsetType = UNSET
    web_url: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET


class GitCreate(GitBody):
    """The body that configures git for a model."""


class GitUpdate(GitBody):
    """The body that changes it."""


class GitConfiguration(msgspec.Struct, rename="camel", kw_only=True):
    """A model's repository. `webhookSecret` is there only when it was asked for.

    Beyond the contract: `hostKey` is the pinned host key, `lastSync` what the shared model and the
    base branch had in common last, `signingPublicKey` what commits are signed with.
    """

    auth_method: AuthMethod
    base_branch: str
    branch_per_pull_request: bool
    clone_url: str
    committer_email: str | None
    committer_name: str | None
    git_follower: bool
    git_service_provider: str
    github_app_id: str | None
    github_app_installation_id: str | None
    model_path: str
    public_key: str | None
    require_pull_request: PullRequests
    sign_commits: bool
    signing_public_key: str | None
    ssh_url: str
    web_url: str | None
    webhook_url: str
    host_key: str | None
    last_sync: LastSync | None
    webhook_secret: str | UnsetType = UNSET


class LastSync(msgspec.Struct, rename="camel"):
    """The commit, and when."""

    git_sha: str
    at: str


class Unlinked(msgspec.Struct):
    """The answer to a delete."""

    success: bool = True
    message: str = "Git repository unlinked successfully"


class SyncBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of a sync."""

    commit_message: Annotated[str, Meta(max_length=10_000)] | None = None


class SyncAnswer(msgspec.Struct, rename="camel"):
    """What a sync came to; a conflict is told here, and then nothing was done."""

    did_sync: bool
    in_sync: bool
    git_sha: str | None
    message: str
    conflicts: list[str] = []


class CommitBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body that commits a branch."""

    branch_id: str
    commit_message: Annotated[str, Meta(min_length=1, max_length=10_000)]
    allow_branch_exists: bool = True
    require_branch_exists: bool = False


class CommitAnswer(msgspec.Struct):
    """What a commit came to. `message` and `conflicts` are ours."""

    did_sync: bool
    in_sync: bool
    git_sha: str | None
    pr_url: str | None
    message: str = ""
    conflicts: list[str] = []


class Accepted(msgspec.Struct, rename="camel"):
    """The answer to a webhook: the job that syncs."""

    success: bool
    job_id: str | None
