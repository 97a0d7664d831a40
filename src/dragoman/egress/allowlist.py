"""The operator's list of places that may be dialled: networks, names and name suffixes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.network import LOOPBACK_NETWORKS, IPAddress, IPNetwork
from dragoman.egress.hosts import Host, parse_host


@dataclass(frozen=True, slots=True)
class AllowList:
    """Entries in canonical form. `suffixes` begin with a dot and hold every name below."""

    networks: tuple[IPNetwork, ...] = ()
    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AllowList:
        """Read `10.0.0.0/8`, `10.1.2.3`, `db.internal`, `.internal` or `*.internal`.

        `localhost` stands for 127.0.0.0/8 and ::1; no other name opens the way to loopback.

        Raises `ValueError` naming the entry that is none of these.
        """
        networks: list[IPNetwork] = []
        names: set[str] = set()
        suffixes: list[str] = []
        for entry in (text.strip() for text in entries):
            network = _network(entry)
            if network is not None:
                networks.append(network)
            elif entry == "localhost":
                networks.extend(LOOPBACK_NETWORKS)
            elif entry.startswith((".", "*.")):
                suffixes.append("." + _name(entry, entry.lstrip("*")[1:]))
            else:
                names.add(_name(entry, entry))
        return cls(tuple(networks), frozenset(names), tuple(suffixes))

    def holds_name(self, host: Host) -> bool:
        """Whether the name is listed, itself or by a suffix."""
        return host.ip is None and (host.name in self.names or host.name.endswith(self.suffixes))

    def holds_address(self, ip: IPAddress) -> bool:
        """Whether a listed network holds the address."""
        return any(ip in network for network in self.networks)

    def holds_loopback(self, ip: IPAddress) -> bool:
        """Whether an entry means loopback and holds the address. `0.0.0.0/0` does not mean it."""
        return any(ip in network for network in self.networks if _is_loopback(network))

    def describe(self) -> str:
        """The entries, comma separated."""
        texts = [str(network) for network in self.networks]
        return ", ".join(texts + sorted(self.names) + [f"*{suffix}" for suffix in self.suffixes])


def _network(entry: str) -> IPNetwork | None:
    try:
        return ip_network(entry)
    except ValueError:
        pass
    if "/" in entry:
        raise ValueError(f"egress allow entry {entry!r} is not a network in CIDR notation")
    return None


def _name(entry: str, name: str) -> str:
    try:
        host = parse_host(name)
    except DatabaseFailure as error:
        raise ValueError(f"egress allow entry {entry!r}: {error}") from error
    if host.ip is not None:
        raise ValueError(f"egress allow entry {entry!r}: write the address as {host.name}")
    return host.name


def _is_loopback(network: IPNetwork) -> bool:
    return any(
        network.version == loopback.version
        and network.network_address in loopback
        # a wider network may begin inside 127/8 only when its prefix is at least as long
        and network.prefixlen >= loopback.prefixlen
        for loopback in LOOPBACK_NETWORKS
    )
