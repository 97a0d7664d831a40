"""Puts the application together: the one place that names every resource."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import multiprocessing
import signal
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from dragoman import audit
from dragoman import settings as configuration
from dragoman.api.dispatch import Dispatcher
from dragoman.api.ratelimit import Limit, limiter
from dragoman.api.routing import Route, Router
from dragoman.api.underway import UnderWay
from dragoman.catalog import refresh as catalog_refresh
from dragoman.catalog import routes as catalog_routes
from dragoman.catalog import service as catalog_service
from dragoman.connections import (
    dialect_routes,
    environment_routes,
    events,
    personal,
    personal_routes,
    secrets,
)
from dragoman.connections import routes as connection_routes
from dragoman.dbt import projects as dbt_projects
from dragoman.dbt import routes as dbt_routes
from dragoman.dialects.breaker import Circuits
from dragoman.dialects.network import TlsPolicy
from dragoman.dialects.pool import SessionPool
from dragoman.egress import EgressPolicy
from dragoman.git import routes as git_routes
from dragoman.git import service as git_service
from dragoman.git import working as git_working
from dragoman.house import House, give_way
from dragoman.identity import attribute_routes, email_only_routes, key_routes, tokens
from dragoman.identity import events as identity_events
from dragoman.identity import service as identity
from dragoman.identity.tokens import TokenDirectory
from dragoman.jobs import Jobs
from dragoman.models import branch_routes, object_routes, upkeep_routes, yaml_routes
from dragoman.models import routes as model_routes
from dragoman.models import service as model_service
from dragoman.models.rules import RULES
from dragoman.observability import logs, metrics
from dragoman.queries import picker_routes, run_routes
from dragoman.queries import routes as query_routes
from dragoman.queries.running import RUNNING
from dragoman.roles import custom_routes as custom_role_routes
from dragoman.roles import routes as role_routes
from dragoman.schedules import routes as schedule_routes
from dragoman.schedules import service as schedules
from dragoman.scim import discovery_routes as scim_discovery_routes
from dragoman.scim import group_routes as scim_group_routes
from dragoman.scim import requests as scim
from dragoman.scim import user_routes as scim_user_routes
from dragoman.settings import Settings
from dragoman.signin import embed_routes, second_factor_routes
from dragoman.signin import routes as signin_routes
from dragoman.signin import service as signin
from dragoman.signin.oauth import routes as oauth_routes
from dragoman.signin.oidc import provider_routes as identity_provider_routes
from dragoman.signin.oidc import routes as oidc_routes
from dragoman.signin.sessions import SessionDirectory
from dragoman.store import Store, StoreBusy
from dragoman.store.migrations import ensure_current
from dragoman.system import audit_routes, job_routes
from dragoman.system import egress as system_egress
from dragoman.system import routes as system_routes
from dragoman.vault import KeyRingSource, Signer, Vault, rotation, shelf

log = structlog.get_logger()

RESOURCES = (
    connection_routes.ROUTES,
    environment_routes.ROUTES,
    personal_routes.ROUTES,
    dialect_routes.ROUTES,
    model_routes.ROUTES,
    branch_routes.ROUTES,
    catalog_routes.ROUTES,
    yaml_routes.ROUTES,
    object_routes.ROUTES,
    upkeep_routes.ROUTES,
    query_routes.ROUTES,
    schedule_routes.ROUTES,
    run_routes.ROUTES,
    picker_routes.ROUTES,
    job_routes.ROUTES,
    git_routes.ROUTES,
    dbt_routes.ROUTES,
    key_routes.ROUTES,
    signin_routes.ROUTES,
    second_factor_routes.ROUTES,
    embed_routes.ROUTES,
    oidc_routes.ROUTES,
    oauth_routes.ROUTES,
    identity_provider_routes.ROUTES,
    attribute_routes.ROUTES,
    email_only_routes.ROUTES,
    scim_user_routes.ROUTES,
    scim_group_routes.ROUTES,
    scim_discovery_routes.ROUTES,
    role_routes.ROUTES,
    custom_role_routes.ROUTES,
    system_routes.ROUTES,
    audit_routes.ROUTES,
    system_egress.ROUTES,
)
# What else is made when a connection is, and wiped with it: in this order, in its transaction.
events.listen(
    model_service.follow_connection, git_service.follow_connection, dbt_projects.follow_connection
)
events.build_with(catalog_service.follow_connection)
identity_events.listen(signin.follow_user)
# What git has to say about saving and merging.
RULES.saving = [git_working.check_save]
RULES.merging = [git_working.check_merge]
RULES.merged = [git_working.publish]
RULES.migrating = [git_working.check_migration]
RULES.fetch = git_working.files_at
# Every table with sealed secrets.
SEALED = (secrets.SEALED, shelf.SEALED, personal.SEALED)
FLUSH_SECONDS = 5.0
SUSPENSION_SECONDS = 1.0
SWEEP_SECONDS = 3600.0
BLOCKING_THREADS = 32


def routes() -> tuple[Route, ...]:
    """Every route of the server."""
    return tuple(route for resource in RESOURCES for route in resource)


def open_house(settings: Settings) -> House:
    """The house services of one process, the store migrated. Raises for a broken key ring."""
    settings.make_home()
    keys = KeyRingSource(
        home=settings.home,
        value=settings.keys or None,
        command=settings.keys_command or None,
    )
    store = Store(settings.store_url, Signer(lambda: keys, audit.PURPOSE))
    ensure_current(store)
    return House(
        settings=settings,
        store=store,
        keys=keys,
        vault=Vault(keys),
        network=network(settings),
        sessions=SessionPool(max_per_owner=settings.max_queries_per_connection),
        circuits=Circuits(metrics.circuit_changed),
        authenticator=TokenDirectory(),
        visitors=SessionDirectory(settings),
        refusals=Limit("login", settings.login_failures_per_minute, limiter(settings.redis_url)),
        blocking=ThreadPoolExecutor(BLOCKING_THREADS, thread_name_prefix="database"),
        reading=ThreadPoolExecutor(
            BLOCKING_THREADS, thread_name_prefix="rows", initializer=give_way
        ),
        jobs=background(),
        routes=routes(),
    )


def background() -> Jobs:
    """The work beside the requests: who does which kind of job, and the duties of each second."""
    jobs = Jobs()
    jobs.register(catalog_service.KIND, catalog_refresh.refresh)
    jobs.register(git_working.KIND, git_working.run_job)
    jobs.every_second(schedules.run_due)
    return jobs


def configure_logs(settings: Settings) -> None:
    """Log as the settings say. A file that cannot be written is told, and no reason to stop."""
    level, form = settings.log_level, settings.log_format
    settings.make_home()
    try:
        logs.configure(level, form, settings.log_path)
    except OSError as error:
        logs.configure(level, form)
        log.warning("no log file", file=str(settings.log_path), error=error.strerror)


def network(settings: Settings) -> EgressPolicy:
    """The egress policy that the settings ask for. Raises `SettingsError`."""
    ca_file = Path(settings.tls_ca_file) if settings.tls_ca_file else None
    try:
        return EgressPolicy.build(
            mode=settings.egress,
            allow=settings.egress_allow,
            loopback=_is_local(settings.host),
            tls=TlsPolicy(ca_file, settings.tls_plaintext),
        )
    except ValueError as error:
        raise configuration.SettingsError(f"DRAGOMAN_EGRESS_ALLOW: {error}") from None


def _is_local(host: str) -> bool:
    """Whether the server itself can be reached from this machine only."""
    return host in ("localhost", "::1") or host.startswith("127.")


class Application:
    """The ASGI application: requests go straight to the dispatcher, which answers every error
    itself; Starlette runs the lifespan."""

    def __init__(self, house: House, dispatcher: Dispatcher) -> None:
        self.house = house
        self._dispatcher = dispatcher
        self._lifespan = Starlette(lifespan=partial(_lifespan, house, dispatcher.under_way))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        handler = self._dispatcher if scope["type"] == "http" else self._lifespan
        await handler(scope, receive, send)


def create_app(settings: Settings | None = None) -> Application:
    """The ASGI application. uvicorn calls it in each process."""
    settings = settings or configuration.load()
    configure_logs(settings)
    house = open_house(settings)
    counting = limiter(settings.redis_url)
    dispatcher = Dispatcher(
        house,
        Router(house.routes),
        requests=Limit("default", settings.rate_limit_per_minute, counting),
        sessions=Limit("session", settings.session_rate_limit_per_minute, counting),
        forms={"/api/scim/": scim.failed},
    )
    return Application(house, dispatcher)


@contextlib.asynccontextmanager
async def _lifespan(house: House, under_way: UnderWay, _app: Starlette) -> AsyncGenerator[None]:
    log.info("egress", policy=house.network.describe())
    with contextlib.suppress(StoreBusy):  # a locked store does not stop a start
        await house.store.write(partial(system_egress.note, policy=house.network))
        await house.store.write(audit_routes.bind_old_rows)
    log.info("ready", store="sqlite" if house.store.is_sqlite else "postgres")
    lost = await house.store.read(partial(rotation.keys_in_use, tables=SEALED))
    lost = {key: count for key, count in lost.items() if house.keys.current().find(key) is None}
    if lost:
        log.error("secrets are sealed with keys that are not there", keys=lost)
    # What start-up made lives as long as the process: the collector need not look at it again.
    gc.freeze()
    gc.enable()
    house.jobs.start(house)
    keepers = [
        asyncio.create_task(_keep_house(house)),
        asyncio.create_task(_end_suspended(house, under_way)),
    ]
    try:
        yield
    finally:
        for keeper in keepers:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        await asyncio.to_thread(house.jobs.stop)
        # uvicorn gave running queries their time already; what still runs is cancelled now.
        await RUNNING.stop(house, 0)
        run_routes.close()
        house.close()


def _is_orphan() -> bool:
    """Whether this is a worker whose supervisor was killed: it would hold the port for ever."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


async def _end_suspended(house: House, under_way: UnderWay) -> None:
    """Break off what is under way for people who were suspended or deleted, by whatever process."""
    while True:
        await asyncio.sleep(SUSPENSION_SECONDS)
        people = under_way.people() | run_routes.people()
        if not people:
            continue
        try:
            living = await house.store.read(partial(identity.living, user_ids=people))
        except Exception as error:  # noqa: BLE001 - looked at again at the next turn
            log.warning("cannot look for suspended people", error=type(error).__name__)
            continue
        gone = people - living
        if gone:
            run_routes.give_up(gone)
            log.info("people were suspended", requests=under_way.end(gone))


async def _keep_house(house: House) -> None:
    """Small duties beside the requests: last use of tokens, idle sessions, old rows."""
    swept = -math.inf
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        if _is_orphan():
            log.warning("the supervisor is gone: stopping")
            signal.raise_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(house.authenticator.flush, house.store)
            await asyncio.to_thread(house.visitors.flush, house.store)
            await asyncio.to_thread(house.sessions.close_idle)
            if house.settings.audit_days:
                await house.store.write(partial(audit.forget, days=house.settings.audit_days))
            if house.settings.token_days and time.monotonic() - swept > SWEEP_SECONDS:
                await house.store.write(partial(tokens.forget, days=house.settings.token_days))
                swept = time.monotonic()
        except Exception as error:  # noqa: BLE001 - a duty missed now is done at the next turn
            log.warning("housekeeping failed", error=type(error).__name__)
