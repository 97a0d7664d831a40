"""Tables of the git room. Only this room reads them. Keys and tokens are sealed elsewhere
(`vault.shelf`, resource `model_git`)."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, String, Table, Text

from dragoman.store.metadata import Id, Time, metadata


def _model() -> ForeignKey:
    return ForeignKey("models.id", ondelete="CASCADE")


model_git = Table(
    "model_git",
    metadata,
    Column("model_id", Id, _model(), primary_key=True),
    Column("clone_url", Text, nullable=False),
    Column("auth_method", String(20), nullable=False),
    Column("base_branch", Text, nullable=False),
    Column("branch_per_pull_request", Boolean, nullable=False),
    Column("git_follower", Boolean, nullable=False),
    Column("git_service_provider", String(24), nullable=False),
    Column("model_path", Text, nullable=False),
    Column("require_pull_request", String(12), nullable=False),
    Column("web_url", Text),
    Column("public_key", Text),
    Column("key_generated", Boolean, nullable=False),
    Column("host_key", Text),  # pinned: type and base64
    Column("github_app_id", String(20)),
    Column("github_app_installation_id", String(20)),
    Column("committer_name", Text),
    Column("committer_email", Text),
    Column("signing_key", Text),  # the public half; commits are signed where there is one
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

# The last commit at which a model, or a branch of it, and its git branch were the same.
model_git_branches = Table(
    "model_git_branches",
    metadata,
    Column("model_id", Id, _model(), primary_key=True),
    Column("git_branch", Text, nullable=False),
    Column("commit", String(40), nullable=False),
    Column("synced_at", Time, nullable=False),
)

# What each file was then: the id of git's blob (empty for one that both sides had deleted), and the
# text that the model's own layer had (null where it had none of its own).
model_git_files = Table(
    "model_git_files",
    metadata,
    Column("model_id", Id, _model(), primary_key=True),
    Column("path", String(400), primary_key=True),
    Column("blob", String(40), nullable=False),
    Column("text", Text),
    sqlite_with_rowid=False,
)
