"""What every dialect declares, and what a live one can do.

A dialect's file subclasses `Dialect`, fills `declaration`, and overrides the few methods where it
differs. A dialect with an adapter sets `live=True` in the declaration and implements `connect`
and `classify`.
"""

from __future__ import annotations

import functools
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.features import Feature
from dragoman.dialects.network.deadline import PROBE_SECONDS
from dragoman.dialects.properties import PROPERTIES
from dragoman.dialects.semantic_objects import SemanticObject
from dragoman.dialects.spelling import Spelling
from dragoman.secret import SecretStr

if TYPE_CHECKING:
    import socket

    from dragoman.dialects.minting import Minter
    from dragoman.dialects.network import Address, Network, TlsPolicy
    from dragoman.dialects.user_grants import UserGrant
    from dragoman.dialects.validation import Draft


class Proof(StrEnum):
    """The highest thing the test suite has tried a dialect against."""

    ENGINE = "real engine"
    RELATIVE = "near relative of the engine"
    EMULATOR = "emulator"
    STUB = "protocol stub"
    DRIVER = "driver only"
    DECLARED = "declaration only"


@dataclass(frozen=True, slots=True)
class Use:
    """How a dialect uses one property."""

    required: bool = False
    default: str | int | bool | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Authentication:
    """A way to sign in.

    `value` is the wire text of `authenticationType`; None where the dialect has a single way.
    `needs`: property names; a tuple inside stands for "at least one of these".
    `advises`: names whose absence is worth a warning (text says what then does not work).
    `chosen_by`: a setting that asks for this way where `authenticationType` does not.
    """

    value: str | None
    label: str
    needs: tuple[str | tuple[str, ...], ...]
    optional: tuple[str, ...] = ()
    advises: Mapping[str, str] = field(default_factory=dict[str, str])
    chosen_by: str = ""


@dataclass(frozen=True, slots=True)
class Driver:
    """The PyPI distribution that talks to the database, and the extra that installs it."""

    module: str
    distribution: str
    extra: str

    def installed(self) -> bool:
        """Whether the driver can be imported; nothing is imported to find out."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:
            return False

    def require(self) -> None:
        """Raise `DatabaseFailure` (stage driver) naming the extra when the driver is missing."""
        if not self.installed():
            raise DatabaseFailure(
                Stage.DRIVER,
                Cause.DRIVER_MISSING,
                f"The driver {self.distribution} is not installed.",
                fix=f"pip install 'dragoman[{self.extra}]'",
            )


Value = str | int | bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """Everything the rest of the house derives from a dialect.

    `uses` names the properties that are not universal, or universal ones used in a special way;
    `without` names universal properties that this dialect ignores.
    `query_timeout`: "server" when the database itself stops a statement, "client" when we do.
    `isolated`: why the driver runs in a process of its own; empty when it runs in the server's.
    `listens`: what to check on the server when nothing answers on its port.
    `lacks`: what the database or its driver does not have, and why; the conformance suite shows
    that each of them is so, and that all else is there.
    `unbounded`: the driver may wait for ever, so that its calls are made where they can be left.
    """

    name: str
    label: str
    driver: Driver
    authentication: tuple[Authentication, ...]
    uses: Mapping[str, Use]
    without: tuple[str, ...] = ()
    default_port: int | None = None
    multi_catalog: bool = False
    query_timeout: Literal["server", "client"] = "server"
    sqlglot: str | None = None
    proof: Proof = Proof.DECLARED
    live: bool = False
    listens: str = ""
    lacks: Mapping[Feature, str] = field(default_factory=dict[Feature, str])
    extension: bool = False
    empty_password: bool = False
    isolated: str = ""
    unbounded: bool = False
    notes: tuple[str, ...] = ()

    def use(self, name: str) -> Use | None:
        """How this dialect uses the property, or None when it does not apply."""
        return _properties(self).get(name)

    def properties(self) -> Mapping[str, Use]:
        """All properties that apply, in the catalogue's order."""
        return _properties(self)

    def default(self, name: str) -> Value:
        """The value a property takes when it is absent."""
        return _defaults(self).get(name)

    def defaults(self) -> Mapping[str, Value]:
        """The properties that have a value when they are absent."""
        return _defaults(self)


# Declarations are made once and never change, and every request asks for these.
@functools.cache
def _properties(declaration: Declaration) -> Mapping[str, Use]:
    universal = {name: Use() for name, known in PROPERTIES.items() if known.universal}
    found = {n: u for n, u in universal.items() if n not in declaration.without}
    found |= declaration.uses
    return MappingProxyType({name: found[name] for name in PROPERTIES if name in found})


@functools.cache
def _defaults(declaration: Declaration) -> Mapping[str, Value]:
    special: dict[str, Value] = {
        "port": declaration.default_port,
        "alwaysScopeViewNames": declaration.multi_catalog,
    }
    found = {
        name: use.default
        if use.default is not None
        else special.get(name, PROPERTIES[name].default)
        for name, use in _properties(declaration).items()
    }
    return MappingProxyType({name: value for name, value in found.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect and as whom: settings by wire name with defaults, secrets resolved.

    `renew`: set where the password is minted at sign-in, or a person's token is kept elsewhere;
    gives this target with one that holds.
    """

    dialect: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, SecretStr]
    renew: Callable[[], Target] | None = field(default=None, compare=False, repr=False)

    def current(self) -> Target:
        """As whom to sign in now; asked for anew at each sign-in, since a minted password ends.

        Raises `DatabaseFailure` (authentication) when none can be minted.
        """
        return self if self.renew is None else self.renew()

    def text(self, name: str) -> str:
        """The setting as text, empty when absent."""
        value = self.settings.get(name)
        return "" if value is None else str(value)

    @property
    def host(self) -> str:
        """Host name or address."""
        return self.text("host")

    @property
    def port(self) -> int:
        """TCP port; 0 when none is set."""
        return int(self.settings.get("port") or 0)

    @property
    def database(self) -> str:
        """The default database, or the file of an embedded engine."""
        return self.text("database")

    @property
    def username(self) -> str:
        """The user to sign in as."""
        return self.text("username")

    @property
    def password(self) -> SecretStr:
        """The password; empty when there is none."""
        return self.secrets.get("passwordUnencrypted", SecretStr(""))


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session is opened.

    `timezone`: an IANA name; None leaves UTC. `files`: the directory under which embedded engines
    may open database files; None allows none. `isolate`: dialects whose drivers run in a process of
    their own, beside those that declare it; `memory_mb`: what such a process may hold.
    `guarded`: statements are checked before they are sent. Only the conformance suite leaves that
    out, to see whether the database itself refuses what writes.
    """

    timeout_seconds: float = 900.0
    connect_seconds: float = 10.0
    timezone: str | None = None
    read_only: bool = True
    files: Path | None = None
    isolate: tuple[str, ...] = ()
    memory_mb: int = 2048
    guarded: bool = True


@dataclass(slots=True)
class Rows:
    """An answer under way: its Arrow schema and the record batches still to come.

    Iterating raises `DatabaseFailure` only. `close` (or the end of the batches, or the session's
    next statement) stops the statement and leaves the session usable.
    `notices`: what the reader should know of these values; complete once the batches are at an end.
    """

    schema: Schema
    batches: Batches
    notices: list[str] = field(default_factory=list[str])

    def close(self) -> None:
        """Stop reading; harmless at any time."""
        self.batches.close()


class Batches(Protocol):
    """Record batches that can be given up early."""

    def __iter__(self) -> Iterator[RecordBatch]: ...

    def __next__(self) -> RecordBatch: ...

    def close(self) -> None:
        """Stop the statement; harmless at any time."""
        ...


class Session(ABC):
    """One open session of a database. `cancel` may be called from any thread, the rest from one.

    `notices`: what differs from what was asked for, in words (an unknown time zone, for instance).
    `broken`: the session must be closed and not used again.
    """

    notices: list[str]
    broken: bool = False

    @abstractmethod
    def ping(self) -> None:
        """The cheapest statement that proves the session answers."""

    @abstractmethod
    def run(self, sql: str) -> Rows:
        """Run one reading statement and stream its rows.

        Raises `DatabaseFailure` (stage query) for anything that goes wrong, a statement that
        could write and a second statement included.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Stop the running statement in the database; harmless when none runs."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all session state, so that the next user starts clean."""

    @abstractmethod
    def close(self) -> None:
        """End the session; never raises."""

    @abstractmethod
    def schemas(self) -> list[str]:
        """Names of the schemas that this user may use, system ones left out."""

    @abstractmethod
    def readable_tables(self, schemas: list[str]) -> int:
        """How many tables and views this user may read in these schemas (all when empty)."""

    def catalog(self, wanted: CatalogFilter = EVERYTHING) -> Iterator[Table]:
        """The tables and views that this user may read, by schema and name, one at a time.

        A fixed number of statements reads them all, whatever their number, and no table's data.
        Iterating raises `DatabaseFailure` only; time limit and `cancel` hold as for `run`, and
        the session's next statement ends it.
        """
        raise DatabaseFailure(
            Stage.QUERY, Cause.NOT_LIVE, "This version cannot read the catalog of this dialect."
        )

    def semantic_objects(self, wanted: CatalogFilter = EVERYTHING) -> list[SemanticObject]:
        """The semantic objects that the database itself keeps; none where it has no such thing.

        Raises `DatabaseFailure`. To be asked once the catalog is read to its end.
        """
        return []


class Dialect(ABC):
    """A dialect. The declaration says most; the methods are where a dialect differs."""

    declaration: ClassVar[Declaration]
    spelling: ClassVar[Spelling]

    def choose_authentication(self, draft: Draft) -> Authentication | None:
        """The way to sign in that the settings ask for; None when the value is unknown."""
        ways, asked = self.declaration.authentication, draft.settings.get("authenticationType")
        if asked is None or self.declaration.use("authenticationType") is None:
            by_setting = (a for a in ways if a.chosen_by and draft.settings.get(a.chosen_by))
            return next(by_setting, ways[0])
        return next((a for a in ways if a.value == asked), None)

    def check(self, draft: Draft) -> None:
        """Rules of this dialect beyond the declaration: adds problems, warnings, derived values."""

    def minter(self, target: Target) -> Minter | None:
        """What makes the password at each sign-in; None where a stored one is used."""
        return None

    def user_grant(self, target: Target) -> UserGrant | None:
        """Where each person signs in for themselves; None where one identity serves all."""
        return None

    def network_address(self, target: Target) -> tuple[str, int] | None:
        """Host and port to dial, or None where nothing is dialled (an embedded engine)."""
        return target.host, target.port

    def starttls(
        self,
        sock: socket.socket,
        address: Address,
        target: Target,
        policy: TlsPolicy,
        *,
        timeout: float = PROBE_SECONDS,
    ) -> str:
        """Probe TLS on a fresh socket; returns what was agreed in words.

        Each step of the probe may take `timeout` seconds.

        Raises `DatabaseFailure` (stage tls).
        """
        raise NotImplementedError

    def open_session(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session, in a process of its own where the declaration or the options say so.

        This is what the server calls. Raises `DatabaseFailure` only.
        """
        if not self.declaration.isolated and self.declaration.name not in options.isolate:
            session = self.connect(target, network, options)
            return self._watched(session, options) if self.declaration.unbounded else session
        from dragoman.dialects.isolation import WorkerSession

        return WorkerSession(self, target, network, options)

    @staticmethod
    def _watched(session: Session, options: SessionOptions) -> Session:
        from dragoman.dialects.watched import WatchedSession

        return WatchedSession(session, options)

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session in this process. Raises `DatabaseFailure` only."""
        raise DatabaseFailure(
            Stage.DRIVER,
            Cause.NOT_LIVE,
            f"{self.declaration.label} connections can be saved, but not dialled by this version.",
        )

    def quote(self, identifier: str) -> str:
        """The identifier in this dialect's quotes, every character kept."""
        return '"' + identifier.replace('"', '""') + '"'

    def default_schema(self, settings: Mapping[str, Any]) -> str:
        """The schema of names that are written without one; empty where there is none."""
        return str(settings.get("defaultSchema") or "")
