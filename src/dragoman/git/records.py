"""A configuration as it is stored, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from dragoman.git.tables import model_git as table
from dragoman.gitremote import Installation, RepositoryAddress, hosts, parse_address
from dragoman.store import UnitOfWork
from dragoman.vault import Context

RESOURCE = "model_git"
PRIVATE_KEY, TOKEN, APP_KEY = "privateKey", "token", "githubAppPrivateKey"
WEBHOOK, SIGNING = "webhookSecret", "signingKey"
# Secrets that go to no host.
_KEPT_HERE = (WEBHOOK, SIGNING)
_SECRETS = {"ssh": PRIVATE_KEY, "https_token": TOKEN, "github_app": APP_KEY}


@dataclass(frozen=True, slots=True)
class Configuration:
    """A row of `model_git`."""

    model_id: str
    clone_url: str
    auth_method: str
    base_branch: str
    branch_per_pull_request: bool
    git_follower: bool
    git_service_provider: Any
    model_path: str
    require_pull_request: str
    web_url: str | None
    public_key: str | None
    key_generated: bool
    host_key: str | None
    github_app_id: str | None
    github_app_installation_id: str | None
    committer_name: str | None
    committer_email: str | None
    signing_key: str | None
    created_at: str
    updated_at: str

    @property
    def address(self) -> RepositoryAddress:
        """The clone URL, taken apart."""
        return parse_address(self.clone_url)

    @property
    def provider(self) -> hosts.Provider | None:
        """The kind of host, chosen or told by its name."""
        if self.installation is not None:
            return "github"
        return hosts.provider_of(self.git_service_provider, self.address)

    @property
    def installation(self) -> Installation | None:
        """The GitHub App's, where one opens the repository."""
        if self.auth_method != "github_app":
            return None
        return Installation(self.github_app_id or "", self.github_app_installation_id or "")

    @property
    def web(self) -> str | None:
        """The repository's page, given or told by the clone URL."""
        return self.web_url or hosts.web_url(self.provider, self.address)

    @property
    def folder(self) -> str:
        """Where the model's files are, from the repository's root."""
        return self.model_path.strip("/")

    @property
    def secret_name(self) -> str:
        """Which secret opens the repository."""
        return _SECRETS[self.auth_method]

    def context(self, name: str) -> Context:
        """What a secret is bound to: this model, and for keys and tokens the host."""
        place: Mapping[str, Any] = {} if name in _KEPT_HERE else self.address.destination
        return Context(RESOURCE, self.model_id, name, place)


def load(unit: UnitOfWork, model_id: str) -> Configuration | None:
    """The configuration of a model, whoever asks."""
    row = unit.db.execute(select(table).where(table.c.model_id == model_id)).first()
    return None if row is None else Configuration(*row)
