"""A configuration as it is stored, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from dragoman.git.tables import model_git as table
from dragoman.gitremote import RepositoryAddress, hosts, parse_address
from dragoman.store import UnitOfWork
from dragoman.vault import Context

RESOURCE = "model_git"
PRIVATE_KEY, TOKEN, WEBHOOK = "privateKey", "token", "webhookSecret"


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
    created_at: str
    updated_at: str

    @property
    def address(self) -> RepositoryAddress:
        """The clone URL, taken apart."""
        return parse_address(self.clone_url)

    @property
    def provider(self) -> hosts.Provider | None:
        """The kind of host, chosen or told by its name."""
        return hosts.provider_of(self.git_service_provider, self.address)

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
        return PRIVATE_KEY if self.auth_method == "ssh" else TOKEN

    def context(self, name: str) -> Context:
        """What a secret is bound to: this model, and for keys and tokens the host."""
        place: Mapping[str, Any] = {} if name == WEBHOOK else self.address.destination
        return Context(RESOURCE, self.model_id, name, place)


def load(unit: UnitOfWork, model_id: str) -> Configuration | None:
    """The configuration of a model, whoever asks."""
    row = unit.db.execute(select(table).where(table.c.model_id == model_id)).first()
    return None if row is None else Configuration(*row)
