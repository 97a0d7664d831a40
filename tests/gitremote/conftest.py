from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dragoman.dialects.network import TlsPolicy
from dragoman.egress import EgressPolicy
from dragoman.gitremote import Access, Author, Limits, Remote, generate_key, parse_address
from dragoman.secret import SecretStr
from tests.support.certificates import Certificates
from tests.support.gitserver import (
    GIT,
    TOKEN,
    Bare,
    HttpsServer,
    SshServer,
    https_server,
    ssh_server,
)

KEY = generate_key()
ME = Author("Ada", "ada@example.com", datetime(2026, 1, 2, tzinfo=UTC))
QUICK = Limits(dial_seconds=2, answer_seconds=1, total_seconds=3)


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return Bare(tmp_path / "served" / "repo.git")


@pytest.fixture
def network(certificates: Certificates) -> EgressPolicy:
    return EgressPolicy.build(loopback=True, tls=TlsPolicy(certificates.ca_file))


@pytest.fixture(params=["dulwich", "git"])
def ssh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SshServer]:
    if request.param == "git" and GIT is None:
        pytest.skip("this machine has no git command")
    with ssh_server(tmp_path / "served", speaker=request.param) as server:
        server.allowed.add(KEY.public.removesuffix(" dragoman"))
        yield server


@pytest.fixture
def https(tmp_path: Path, certificates: Certificates) -> Iterator[HttpsServer]:
    with https_server(tmp_path / "served", certificates.good) as server:
        yield server


@pytest.fixture(params=["ssh-dulwich", "ssh-git", "https"])
def remote(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    network: EgressPolicy,
    certificates: Certificates,
) -> Iterator[Remote]:
    """The same repository over each transport."""
    if request.param == "https":
        with https_server(tmp_path / "served", certificates.good) as server:
            access = Access(parse_address(server.url()), SecretStr(TOKEN))
            yield Remote(network, access, tmp_path / "cache")
        return
    if request.param == "ssh-git" and GIT is None:
        pytest.skip("this machine has no git command")
    with ssh_server(tmp_path / "served", speaker=request.param[4:]) as server:
        server.allowed.add(KEY.public.removesuffix(" dragoman"))
        yield Remote(network, Access(parse_address(server.url()), KEY.private), tmp_path / "cache")
