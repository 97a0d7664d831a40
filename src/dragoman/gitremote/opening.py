"""From stored settings to a way into a repository, for every room that keeps some."""

from __future__ import annotations

from dataclasses import replace

from dragoman import clock
from dragoman.dialects.network import Network
from dragoman.gitremote import hosts
from dragoman.gitremote.address import RepositoryAddress
from dragoman.gitremote.githubapp import Installation, installation_token
from dragoman.gitremote.remote import Access
from dragoman.secret import SecretStr


def access_to(
    network: Network,
    address: RepositoryAddress,
    provider: hosts.Provider | None,
    secret: SecretStr,
    host_key: str | None,
    installation: Installation | None = None,
    *,
    write: bool = False,
) -> Access:
    """How to reach a repository. `secret`: a deploy key, a token, or with `installation` the
    App's private key, for which its host is asked for a token here. Blocks; raises `GitFailure`."""
    if installation is not None:
        provider = "github"
        secret = installation_token(
            network, address, installation, secret, clock.now(), write=write
        )
    if address.transport == "https" and (installation is not None or not address.user):
        address = replace(address, user=hosts.token_user(provider))
    return Access(address, secret, host_key, hosts.token_scheme(provider))
