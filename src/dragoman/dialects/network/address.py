"""What a dialect knows of the network: addresses that were checked, and who hands them out.

The server gives each adapter a `Network`; adapters call neither `getaddrinfo` nor `connect`, and
tell their driver the checked `Address.ip`, so the address checked is the address dialled.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

from dragoman.dialects.network.tls import TlsPolicy

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

LOOPBACK_NETWORKS: tuple[IPNetwork, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
# RFC 1918; RFC 6598 (shared space behind a carrier or an overlay network); RFC 4193; RFC 3879.
PRIVATE_NETWORKS: tuple[IPNetwork, ...] = (
    ip_network("10.0.0.0/8"),
    ip_network("172.16.0.0/12"),
    ip_network("192.168.0.0/16"),
    ip_network("100.64.0.0/10"),
    ip_network("fc00::/7"),
    ip_network("fec0::/10"),
)


def in_networks(ip: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    """Whether one of the networks holds the address (a network of the other family never does)."""
    return any(ip in network for network in networks)


@dataclass(frozen=True, slots=True)
class Address:
    """One checked way to a server: the name asked for (for TLS and messages), and where to dial."""

    host: str
    ip: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether packets stay on this machine."""
        return in_networks(self._plain_ip(), LOOPBACK_NETWORKS)

    @property
    def is_private(self) -> bool:
        """Whether the address belongs to a private network. Loopback counts as private.

        Tunnelled forms (6to4, Teredo, NAT64) do not: their packets cross other people's networks.
        """
        return self.is_loopback or in_networks(self._plain_ip(), PRIVATE_NETWORKS)

    def _plain_ip(self) -> IPAddress:
        ip = ip_address(self.ip)
        return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


class Network(Protocol):
    """The only door to other machines. The server's `EgressPolicy` is the real one."""

    @property
    def tls(self) -> TlsPolicy:
        """How TLS to databases is verified, and where plain text is allowed."""
        ...

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of `host` that may be dialled, best first, never empty. One look-up.

        Raises `DatabaseFailure`: stage settings (settings_invalid), or dns (host_not_found,
        address_denied, timeout).
        """
        ...

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        """Resolve, then dial the addresses in turn; `timeout` (seconds) covers it all.

        The socket comes without a time-out of its own left from the dialling.
        Raises what `resolve` raises, and stage tcp (refused, unreachable, timeout).
        """
        ...
