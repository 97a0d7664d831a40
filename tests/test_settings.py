"""Settings: environment before file before default; what is wrong names its setting."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dragoman.secret import MASK, SecretStr
from dragoman.settings import PREFIX, Settings, SettingsError, describe, load


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration file of this machine is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_defaults(tmp_path: Path) -> None:
    settings = load({})
    assert settings.home == tmp_path / "data" / "dragoman"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.rate_limit_per_minute == 60
    assert settings.store_url.reveal() == f"sqlite:///{settings.home}/dragoman.db"


def test_environment_before_file_before_default(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text('port = 9000\nhost = "0.0.0.0"\negress = "public"\n')
    settings = load({"DRAGOMAN_PORT": "9001"}, host="::1")
    assert (settings.port, settings.host, settings.egress) == (9001, "::1", "public")


def test_file_is_found_in_three_places(tmp_path: Path) -> None:
    home, named = tmp_path / "home", tmp_path / "named.toml"
    home.mkdir()
    (home / "dragoman.toml").write_text("port = 1")
    assert load({"DRAGOMAN_HOME": str(home)}).port == 1
    (tmp_path / "dragoman.toml").write_text("port = 2")
    assert load({"DRAGOMAN_HOME": str(home)}).port == 2
    named.write_text("port = 3")
    assert load({"DRAGOMAN_HOME": str(home), "DRAGOMAN_CONFIG": str(named)}).port == 3
    with pytest.raises(SettingsError, match="DRAGOMAN_CONFIG names"):
        load({"DRAGOMAN_CONFIG": str(tmp_path / "none.toml")})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("trusted_proxies", "10.0.0.1, 10.0.0.2,,", ("10.0.0.1", "10.0.0.2")),
        ("egress_allow", "", ()),
        ("port", " 80 ", 80),
        ("egress", "list", "list"),
        ("keys_command", "cat /x", "cat /x"),
        ("database_url", "postgresql://a", SecretStr("postgresql://a")),
    ],
)
def test_values_of_the_environment(name: str, text: str, value: object) -> None:
    assert getattr(load({PREFIX + name.upper(): text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("port", "http"), ("port", "-1"), ("port", ""), ("port", "1.5"), ("port", "٣"),
     ("workers", "two"), ("egress", "all"), ("egress", ""), ("tls_plaintext", "ALWAYS"),
     ("log_level", "INFO"), ("metrics", "yes"), ("audit_days", "1e3")],
)  # fmt: skip
def test_bad_value_names_its_variable(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^DRAGOMAN_{name.upper()}: "):
        load({PREFIX + name.upper(): text})


@pytest.mark.parametrize(
    "line",
    ["port = true", "port = [1]", "port = 1.5", "host = 5", "egress_allow = 5", "home = 1",
     "database_url = 1", "egress = ['any']", "port = {a = 1}"],
)  # fmt: skip
def test_bad_value_of_the_file(tmp_path: Path, line: str) -> None:
    (tmp_path / "dragoman.toml").write_text(line)
    with pytest.raises(SettingsError, match=f"DRAGOMAN_{line.split()[0].upper()}"):
        load({})


def test_files_that_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text("prot = 1")
    with pytest.raises(SettingsError, match="unknown setting 'prot'"):
        load({})
    for broken in (b"port = ", b"\xff", b"[port"):
        file.write_bytes(broken)
        with pytest.raises(SettingsError, match=r"dragoman\.toml cannot be read"):
            load({})


def test_lists_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text('egress_allow = ["10.0.0.0/8", "db"]')
    assert load({}).egress_allow == ("10.0.0.0/8", "db")


def test_override_of_none_is_no_override() -> None:
    assert load({"DRAGOMAN_PORT": "1"}, port=None).port == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgres_store(scheme: str) -> None:
    settings = load({"DRAGOMAN_DATABASE_URL": f"{scheme}://u:p@h/d"})
    assert settings.store_url.reveal() == "postgresql+psycopg://u:p@h/d"


def test_description_has_every_setting_and_no_secret() -> None:
    given = {"DRAGOMAN_DATABASE_URL": "postgresql://u:MARK@h/d", "DRAGOMAN_KEYS": "MARK",
             "DRAGOMAN_REDIS_URL": "redis://:MARK@h", "DRAGOMAN_PORT": "81"}  # fmt: skip
    described = {row["name"]: row for row in describe(load(given))}
    assert list(described) == [field.name for field in dataclasses.fields(Settings)]
    assert "MARK" not in repr(described)
    assert described["keys"]["value"] == MASK
    assert described["port"] == {
        "name": "port",
        "variable": "DRAGOMAN_PORT",
        "value": "81",
        "default": "8000",
        "help": "Port the server listens on.",
    }
    assert all(row["help"].endswith(".") for row in described.values())
    assert "MARK" not in repr(load(given))
