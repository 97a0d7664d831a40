"""The one way to a session of a connection's database: circuit breaker, pool, and time limits."""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Final

from dragoman.api.errors import Unavailable, from_failure
from dragoman.connections.dialling import Destination, session_options
from dragoman.connections.personal import refused_by_database
from dragoman.dialects.base import Session, SessionOptions
from dragoman.dialects.bounded import TooLate, within
from dragoman.dialects.breaker import CircuitOpen
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.pool import PoolClosed, PoolTimeout
from dragoman.house import House
from dragoman.observability import metrics

RETRY_SECONDS: Final = "2"
# Waiting takes a thread, so it is short.
QUEUE_SECONDS: Final = 10.0
# The limits of DNS, TCP, TLS and sign-in lie within it; it is for drivers that keep none.
OPEN_SECONDS: Final = 30.0

_KEY: Final = secrets.token_bytes(32)


@contextmanager
def leased(
    house: House,
    destination: Destination,
    zone: str | None = None,
    wait: float | None = None,
) -> Generator[Session]:
    """A session of the destination, for this thread; opened now or taken from the pool.

    `zone`: IANA name of the session's time zone; None leaves UTC. `wait`: seconds for a free one,
    `QUEUE_SECONDS` when None.
    Raises `DatabaseFailure` when it cannot be opened, and `Unavailable` when none is free, when
    the circuit of the connection is open, and when the server is stopping.
    """
    options = session_options(house, destination.settings, zone)
    owner = (destination.connection_id, destination.version, identity(destination))
    lease = house.sessions.lease(
        owner,
        lambda: _open(house, destination, options),
        QUEUE_SECONDS if wait is None else wait,
        variant=options,
    )
    with ExitStack() as held:
        try:
            session = held.enter_context(lease)
        except PoolTimeout:
            raise Unavailable(
                "All sessions of the connection are in use; try again later.",
                headers={"Retry-After": RETRY_SECONDS},
            ) from None
        except PoolClosed:
            raise Unavailable("The server is stopping.") from None
        except CircuitOpen as refused:
            metrics.CONNECTS.labels(destination.dialect.declaration.name, "refused").inc()
            raise circuit_open(refused) from None
        yield session


def identity(destination: Destination) -> bytes:
    """As whom a session signs in, so that a secret that was rotated outside opens new sessions, and
    nobody gets a session of somebody else. A person's token may be renewed meanwhile.

    A keyed hash: the pool holds no secret, and the key ends with the process.
    """
    told = hmac.new(_KEY, digestmod="sha256")
    secrets = destination.target.secrets
    revealed = [(name, secrets[name].reveal()) for name in sorted(secrets)]
    for pair in (*revealed, (destination.person, destination.grant)):
        for part in pair:
            data = part.encode(errors="surrogatepass")
            told.update(len(data).to_bytes(8, "big") + data)
    return told.digest()


def circuit_open(refused: CircuitOpen) -> Unavailable:
    """The answer while a connection's circuit is open: when to try again, and the last failure."""
    seconds = math.ceil(refused.seconds)
    told = from_failure(refused.failure)
    return Unavailable(
        f"The last {refused.failures} attempts to connect to this database failed, so it is left "
        f"alone for {seconds} s. The last failure: {refused.failure.message}",
        headers={"Retry-After": str(seconds)},
        extra={**told.extra, "code": "circuit_open"},
    )


def _open(house: House, where: Destination, options: SessionOptions) -> Session:
    name = where.dialect.declaration.name
    version = (where.version, identity(where))
    # What fails for one person says nothing of the others.
    circuit = f"{where.connection_id}:{where.person}" if where.person else where.connection_id
    with house.circuits.attempt(circuit, version, name):
        try:
            session = within(
                OPEN_SECONDS,
                lambda: where.dialect.open_session(where.target, house.network, options),
                lambda late: late.close(),
            )
        except TooLate:
            metrics.CONNECTS.labels(name, "failed").inc()
            raise _hung() from None
        except DatabaseFailure as failure:
            metrics.CONNECTS.labels(name, "failed").inc()
            if where.person and failure.cause is Cause.AUTHENTICATION_FAILED:
                raise refused_by_database(house, where.connection_id, failure) from None
            raise
    metrics.CONNECTS.labels(name, "opened").inc()
    return session


def _hung() -> DatabaseFailure:
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.TIMEOUT,
        f"The database did not finish signing in within {OPEN_SECONDS:g} seconds.",
        "Check that this is the port of the database, and that no proxy in between swallows it.",
    )
