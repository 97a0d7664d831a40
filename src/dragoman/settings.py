"""The settings of a server: one class, read from the environment and from `dragoman.toml`.

Order: environment (`DRAGOMAN_<NAME>`), then the file (`DRAGOMAN_CONFIG`, `./dragoman.toml` or
`<home>/dragoman.toml`), then the default. `dragoman config` prints every one with its text.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from dragoman.secret import SecretStr

# ruff: noqa: RUF009 - `_setting` makes a dataclass field; there is no shared default

PREFIX = "DRAGOMAN_"


class SettingsError(Exception):
    """A setting has a value that it does not take."""


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


_NONE = SecretStr("")


def _default_home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "dragoman"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting. The help text of each is what `dragoman config` prints."""

    home: Path = field(
        default_factory=_default_home,
        metadata={"help": "Directory of the SQLite store, the key file and the logs."},
    )
    host: str = _setting("127.0.0.1", "Address the server listens on.")
    port: int = _setting(8000, "Port the server listens on.")
    workers: int = _setting(1, "Server processes. More than one wants Redis for the rate limit.")
    public_url: str = _setting("", "Address people reach the server at, for links in answers.")
    trusted_proxies: tuple[str, ...] = _setting(
        ("127.0.0.1",), "Addresses of proxies whose X-Forwarded-For header is believed."
    )
    database_url: SecretStr = _setting(
        _NONE, "postgresql://… moves the store to Postgres; empty is SQLite in the home."
    )
    keys: SecretStr = _setting(
        _NONE,
        "The key ring itself (JSON, or base64 keys separated by commas, first is current).",
    )
    keys_command: str = _setting("", "A command that prints the key ring, run without a shell.")
    rate_limit_per_minute: int = _setting(60, "Requests a minute for each token; 0 is off.")
    login_failures_per_minute: int = _setting(
        20, "Refused tokens a minute for each client address, then 429; 0 is off."
    )
    session_rate_limit_per_minute: int = _setting(
        600, "Requests a minute for each session of a browser; 0 is off."
    )
    local_accounts: Literal["on", "off"] = _setting(
        "on", "Whether people may sign in with a password kept here."
    )
    second_factor: Literal["optional", "required"] = _setting(
        "optional", "Whether everybody with a password kept here needs one-time codes as well."
    )
    embed_secrets: SecretStr = _setting(
        _NONE, "Secrets (32 random characters, commas between) that sign embedding; empty is none."
    )
    embed_session_hours: int = _setting(24, "Age at which the session of an embed user ends.")
    session_idle_minutes: int = _setting(480, "A session that makes no request for so long ends.")
    session_hours: int = _setting(168, "Age at which a session ends, whatever it does.")
    smtp_host: str = _setting("", "Mail server for invitations and links; empty sends no mail.")
    smtp_port: int = _setting(587, "Port of the mail server.")
    smtp_tls: Literal["starttls", "tls", "off"] = _setting(
        "starttls",
        "How the mail server is spoken to: TLS after a greeting, at once, or not at all.",
    )
    smtp_user: str = _setting("", "User name at the mail server; empty signs in nowhere.")
    smtp_password: SecretStr = _setting(_NONE, "Password at the mail server.")
    smtp_from: str = _setting("", "Sender of mails; empty is smtp_user.")
    redis_url: SecretStr = _setting(
        _NONE, "redis://… shares the rate limit among processes; empty is in memory."
    )
    egress: Literal["any", "public", "private", "list"] = _setting(
        "any", "Addresses that may be dialled: any, public, private, or only those of egress_allow."
    )
    egress_allow: tuple[str, ...] = _setting(
        (), "Networks (CIDR) and host names that may be dialled as well; loopback is named here."
    )
    tls_ca_file: str = _setting("", "PEM file of certificate authorities of your own databases.")
    tls_plaintext: Literal["loopback", "private", "never"] = _setting(
        "loopback", "Where a database that offers no TLS may still be dialled."
    )
    google_client_id: str = _setting(
        "", "OAuth client at Google with which people sign in to BigQuery (bigquery-oauth-user)."
    )
    google_client_secret: SecretStr = _setting(_NONE, "Secret of that client.")
    duckdb_root: str = _setting("", "Directory whose DuckDB files may be connected; empty is none.")
    isolate: tuple[str, ...] = _setting(
        (), "Dialects whose drivers run in processes of their own, beside those that always do."
    )
    driver_memory_mb: int = _setting(
        2048, "Memory in MB that the process of a driver may hold before it is ended (Linux)."
    )
    secret_env_prefixes: tuple[str, ...] = _setting(
        ("DRAGOMAN_SECRET_",), 'Prefixes of variables that {"$secret": "env:…"} may name.'
    )
    secret_directories: tuple[str, ...] = _setting(
        (), 'Directories whose files {"$secret": "file:…"} may name.'
    )
    max_body_bytes: int = _setting(1_000_000, "Largest JSON body of a request, in bytes.")
    max_queries_per_connection: int = _setting(10, "Queries at once on one connection.")
    build_schema_on_create: Literal["on", "off"] = _setting(
        "on", "Read a database's catalog when its connection is made, restored or changed."
    )
    max_queries_per_user: int = _setting(
        10, "Questions of one user at once, further ones wait; 0 is no limit."
    )
    max_waiting_per_user: int = _setting(
        200, "Questions of one user that wait for their turn; 0 is no limit."
    )
    query_wait_seconds: int = _setting(
        60, "Seconds that an answer is waited for before the client is told to ask again."
    )
    max_result_mb: int = _setting(4000, "Largest answer that is kept on disk, in megabytes.")
    max_assembled_rows: int = _setting(
        500_000, "Rows that calculations and totals are worked out for, at most."
    )
    cache_mb: int = _setting(1000, "Disk for answers that may be used again; 0 keeps none.")
    shared_cache_mb: int = _setting(
        0, "Room in a PostgreSQL store for answers that its servers share; 0 shares none."
    )
    lenient_filters: Literal["off", "on"] = _setting(
        "off", "Leave out filters that cannot be read, with a warning, in place of an error."
    )
    shutdown_seconds: int = _setting(20, "Time that running queries get when the server stops.")
    metrics: Literal["loopback", "open", "off"] = _setting(
        "loopback", "Who may read /metrics: clients on this machine, everybody, nobody."
    )
    personal_tokens_per_user: int = _setting(
        50, "Personal tokens that one person may have at once; 0 is no limit."
    )
    token_days: int = _setting(30, "Days that expired and revoked tokens are kept; 0 is for ever.")
    audit_days: int = _setting(0, "Days that audit rows are kept; 0 is for ever.")
    job_days: int = _setting(90, "Days that ended background jobs are kept; 0 is for ever.")
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "Least level logged."
    )
    log_format: Literal["auto", "json", "text"] = _setting(
        "auto", "Form of log lines; auto is text on a terminal and JSON elsewhere."
    )
    log_file: str = _setting(
        "auto",
        "File that gets log lines beside stderr; auto is logs/server.log in the home, off is none.",
    )

    def make_home(self) -> None:
        """Make the home directory, for its owner only, if it is not there. Raises `OSError`."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def log_path(self) -> Path | None:
        """The log file; None when there shall be none."""
        if self.log_file in ("", "off"):
            return None
        named = self.home / "logs" / "server.log"
        return named if self.log_file == "auto" else Path(self.log_file).expanduser()

    @property
    def base_url(self) -> str:
        """The address people reach the server at, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def builds_schema(self) -> bool:
        """Whether a connection's catalog is read without being asked for."""
        return self.build_schema_on_create == "on"

    @property
    def store_url(self) -> SecretStr:
        """SQLAlchemy URL of the store."""
        given = self.database_url.reveal()
        if not given:
            return SecretStr(f"sqlite:///{self.home / 'dragoman.db'}")
        for scheme in ("postgresql://", "postgres://"):
            if given.startswith(scheme):
                return SecretStr("postgresql+psycopg://" + given.removeprefix(scheme))
        return SecretStr(given)


def load(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings. Overrides are what the command line gave.

    Raises `SettingsError` naming the setting and where its value came from.
    """
    env = os.environ if environ is None else environ
    hints = get_type_hints(Settings)
    found = _from_file(env)
    unknown = sorted(set(found) - set(hints))
    if unknown:
        raise SettingsError(f"unknown setting {unknown[0]!r} in the configuration file")
    for name in hints:
        if PREFIX + name.upper() in env:
            found[name] = env[PREFIX + name.upper()]
    values = {name: _convert(name, hints[name], value) for name, value in found.items()}
    given: dict[str, Any] = {name: v for name, v in overrides.items() if v is not None}
    return Settings(**{**values, **given})


def describe(settings: Settings) -> list[dict[str, str]]:
    """Each setting as name, variable, value (secrets masked), default and help."""
    defaults = Settings()
    return [
        {
            "name": item.name,
            "variable": PREFIX + item.name.upper(),
            "value": _show(getattr(settings, item.name)),
            "default": _show(getattr(defaults, item.name)),
            "help": str(item.metadata["help"]),
        }
        for item in dataclasses.fields(Settings)
    ]


def _show(value: object) -> str:
    if isinstance(value, SecretStr):
        return str(value) if value else ""
    if isinstance(value, tuple):
        return ",".join(str(part) for part in cast("tuple[object, ...]", value))
    return str(value)


def _from_file(env: Mapping[str, str]) -> dict[str, Any]:
    named = env.get(PREFIX + "CONFIG")
    home = Path(env.get(PREFIX + "HOME") or _default_home()).expanduser()
    candidates = [Path(named)] if named else [Path("dragoman.toml"), home / "dragoman.toml"]
    for path in candidates:
        if path.is_file():
            return _parsed(path)
    if named:
        raise SettingsError(f"DRAGOMAN_CONFIG names {named}, which is not a file")
    return {}


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read as TOML: {error}") from None


def _convert(name: str, hint: Any, value: Any) -> Any:
    try:
        return _as(hint, value)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}{name.upper()}: {error}") from None


def _as(hint: Any, value: Any) -> Any:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ValueError(f"must be one of {', '.join(get_args(hint))}")
        return value
    if get_origin(hint) is tuple:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list):
            raise ValueError("must be a list, or text with commas")
        parts = cast("list[object]", parts)
        return tuple(str(part).strip() for part in parts if str(part).strip())
    if hint is int:
        return _number(value)
    if not isinstance(value, str):
        raise ValueError("must be text")
    if hint is Path:
        return Path(value).expanduser()
    return SecretStr(value) if hint is SecretStr else value


def _number(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        raise ValueError("must be a whole number, 0 or more")
    return int(text)
