"""Signing in to SQL Server and Fabric by Entra: Microsoft's driver carries the token to an emulator
that was taught to look for it. The token endpoint is a stub; no Entra and no Azure took part."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects import minting, registry
from dragoman.dialects.adapters.mssql import tds
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.secret import SecretStr
from tests.engines.conformance import rows
from tests.engines.support.mssql import Bridge, run_mssql
from tests.support.certificates import Certificates
from tests.support.provider import Named, Provider, named, provider

ENTRA = "login.microsoftonline.com"
# Entra's are of this length, so that a login takes several packets.
TOKEN = "canary-of-a-token" * 200
SECRET = "canary-of-a-client-secret"
PRINCIPAL = {
    "authenticationType": "mssql-active-directory-service-principal",
    "username": "client-id@shop.example.test",
}
VARIABLES = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")


@pytest.fixture(scope="module")
def bridge(start_engine: Callable[..., Any], certificates: Certificates) -> Bridge:
    found: Bridge = start_engine("mssql with Entra", lambda: run_mssql(certificates))
    return found


@pytest.fixture
def entra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bridge: Bridge) -> Iterator[Provider]:
    """The endpoint gives `TOKEN`, which the emulator takes. Nothing is kept from other tests."""
    monkeypatch.setattr(minting._KEPT, "_places", type(minting._KEPT._places)())
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    bridge.take(TOKEN)
    with provider(tmp_path, ENTRA) as made:
        made.answer = (200, {}, {"access_token": TOKEN, "expires_in": 3600})
        yield made


@pytest.fixture
def network(bridge: Bridge, entra: Provider, tmp_path: Path) -> Named:
    assert bridge.ca_file
    both = tmp_path / "both.pem"
    both.write_bytes(bridge.ca_file.read_bytes() + entra.ca_file.read_bytes())
    return named(both, **{ENTRA: entra.port})


def target(bridge: Bridge, dialect: str = "mssql", **settings: Any) -> Target:
    given = {"host": "localhost", "port": bridge.port, "database": "shop", "defaultSchema": "dbo"}
    secrets = {"passwordUnencrypted": SecretStr(SECRET)}
    return Target(dialect, {**given, **PRINCIPAL, **settings}, secrets)


def failure(where: Target, network: Named) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught:
        registry.get(where.dialect).open_session(where, network, SessionOptions())
    assert "canary" not in repr(caught.value)
    return caught.value


@pytest.mark.parametrize("dialect", ["mssql", "fabric"])
def test_stub_a_service_principals_token_is_what_signs_in(
    bridge: Bridge, entra: Provider, network: Named, dialect: str
) -> None:
    where = target(bridge, dialect)
    for _ in range(2):
        session = registry.get(dialect).open_session(where, network, SessionOptions())
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
        session.close()
    (asked,) = entra.asked
    assert asked == {
        "path": "/shop.example.test/oauth2/v2.0/token",
        "client": "",
        "grant_type": "client_credentials",
        "client_id": "client-id",
        "client_secret": SECRET,
        "scope": "https://database.windows.net/.default",
    }
    login = bridge.logins()[-1]
    # The server's own name, by which Azure finds the server, and no password of any kind.
    assert login == {"server": "localhost", "user": "", "token": TOKEN, "password": False}


def test_stub_a_password_login_says_the_servers_name_too(bridge: Bridge, network: Named) -> None:
    where = target(bridge, authenticationType="mssql-sql-authentication", username=bridge.username)
    where = Target("mssql", where.settings, {"passwordUnencrypted": SecretStr(bridge.password)})
    session = registry.get("mssql").open_session(where, network, SessionOptions())
    session.close()
    login = bridge.logins()[-1]
    assert (login["server"], login["user"], login["token"]) == ("localhost", bridge.username, "")


def test_stub_a_user_signs_in_through_the_public_client(
    bridge: Bridge, entra: Provider, network: Named
) -> None:
    way = {"authenticationType": "mssql-active-directory-password"}
    where = target(bridge, **way, username="ann@shop.example.test")
    registry.get("mssql").open_session(where, network, SessionOptions()).close()
    (asked,) = entra.asked
    assert asked["path"] == "/shop.example.test/oauth2/v2.0/token"
    assert (asked["grant_type"], asked["username"]) == ("password", "ann@shop.example.test")
    assert asked["password"] == SECRET
    # A tenant that is named counts.
    where = target(bridge, **way, username="ann@shop.example.test", entraTenant="6f1c")
    registry.get("mssql").open_session(where, network, SessionOptions()).close()
    assert entra.asked[-1]["path"] == "/6f1c/oauth2/v2.0/token"


def test_stub_this_servers_workload_identity(
    bridge: Bridge,
    entra: Provider,
    network: Named,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = target(bridge, useMachineAuth=True)
    told = failure(where, network)
    assert told.stage is Stage.AUTHENTICATION
    assert "no workload identity" in told.message
    file = tmp_path / "token"
    file.write_text("token-of-the-machine\n")
    for name, value in zip(VARIABLES, ("workload", "tenant-1", str(file)), strict=True):
        monkeypatch.setenv(name, value)
    registry.get("mssql").open_session(where, network, SessionOptions()).close()
    asked = entra.asked[-1]
    assert asked["path"] == "/tenant-1/oauth2/v2.0/token"
    assert (asked["client_id"], asked["client_assertion"]) == ("workload", "token-of-the-machine")
    assert asked["client_assertion_type"].endswith(":jwt-bearer")
    assert "client_secret" not in asked


def test_stub_what_entra_and_the_database_refuse_is_told(
    bridge: Bridge, entra: Provider, network: Named
) -> None:
    said = {"error": "invalid_client", "error_description": f"AADSTS7000215: {SECRET} is wrong"}
    entra.answer = (401, {}, said)
    told = failure(target(bridge), network)
    assert (told.stage, told.cause, told.code) == (
        Stage.AUTHENTICATION,
        Cause.AUTHENTICATION_FAILED,
        "invalid_client",
    )
    assert "AADSTS7000215" in told.message
    entra.answer = (307, {"Location": "https://elsewhere.example.test/"}, {})
    assert failure(target(bridge), network).stage is Stage.AUTHENTICATION
    assert set(network.dialled) == {ENTRA}
    entra.answer = (200, {}, {"access_token": f"another-{TOKEN}"})
    told = failure(target(bridge), network)
    assert told.cause is Cause.AUTHENTICATION_FAILED
    assert "FROM EXTERNAL PROVIDER" in str(told.fix)
    # What the database refused is not used again.
    before = len(entra.asked)
    failure(target(bridge), network)
    assert len(entra.asked) == before + 1
    told = failure(target(bridge, username="client-id"), network)
    assert "tenant" in told.message


def test_stub_a_token_goes_to_a_verified_server_only(
    bridge: Bridge, entra: Provider, network: Named
) -> None:
    """Whatever `trustServerCertificate` says; the diagnosis tells the stage."""
    assert entra
    before = bridge.logins()
    alone = named(entra.ca_file, **{ENTRA: entra.port})
    where = target(bridge, trustServerCertificate=True)
    assert failure(where, alone).cause is Cause.TLS_UNTRUSTED
    found = diagnose(registry.get("mssql"), where, alone, SessionOptions())
    assert found.failed
    assert (found.failed.stage, found.failed.cause) == (Stage.TLS, Cause.TLS_UNTRUSTED)
    assert bridge.logins() == before


@pytest.mark.parametrize("host", ["a", "shop.database.windows.net", "x" * 128])
def test_a_server_name_is_put_in_and_all_else_is_kept(host: str) -> None:
    names = ["host", "user", "password", "app", "127.0.0.1,5", "", "library", "en", "shop"]
    fixed, table, data = bytearray(36), b"", b""
    fixed[27] = 0x10
    for number, name in enumerate(names):
        text = name.encode("utf-16-le")
        length = 4 if number == 5 else len(name)
        table += struct.pack("<HH", 94 + len(data), length)
        data += bytes(4) if number == 5 else text
    end = 94 + len(data)
    table += bytes(6) + struct.pack("<HH", end, 0) * 3 + bytes(4)
    extension = struct.unpack_from("<H", table, 20)[0] - 94
    data = data[:extension] + struct.pack("<I", end) + data[extension + 4 :] + b"\x02FEATURES\xff"
    login = bytes(fixed) + table + data
    made = tds.with_server_name(login, host)
    assert struct.unpack_from("<I", made)[0] == len(made) == len(login) + 2 * (len(host) - 11)
    for number, name in enumerate(names):
        at, length = struct.unpack_from("<HH", made, 36 + 4 * number)
        if number == 5:
            assert made[struct.unpack_from("<I", made, at)[0] :] == b"\x02FEATURES\xff"
        else:
            wanted = host if number == 4 else name
            assert made[at : at + 2 * length].decode("utf-16-le") == wanted


def test_what_is_no_login_is_refused() -> None:
    for bytes_ in (b"", b"x" * 90, b"\xff" * 200):
        with pytest.raises((ValueError, struct.error)):
            tds.with_server_name(bytes_, "host")
