"""What kind of address an IP address is, and which address hides inside it.

Sources: IANA special-purpose address registries (RFC 6890); RFC 4291 2.5.5 (mapped, compatible),
RFC 2765 (translated), RFC 3056 (6to4), RFC 6052 and 8215 (NAT64), RFC 4380 (Teredo),
RFC 5214 (ISATAP).
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_network

from dragoman.dialects.network import (
    LOOPBACK_NETWORKS,
    PRIVATE_NETWORKS,
    IPAddress,
    IPNetwork,
    in_networks,
)


class Kind(Enum):
    """Kinds of addresses, each with the words a message uses."""

    METADATA = "the metadata service of a cloud"
    LINK_LOCAL = "link-local"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    BROADCAST = "broadcast"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    PUBLIC = "public"
    RESERVED = "reserved"


NEVER = frozenset(
    {Kind.METADATA, Kind.LINK_LOCAL, Kind.MULTICAST, Kind.UNSPECIFIED, Kind.BROADCAST}
)
"""Kinds that are not dialled, whatever the operator lists."""


def _networks(*texts: str) -> tuple[IPNetwork, ...]:
    return tuple(ip_network(text) for text in texts)


# In this order: the first hit names the kind. Metadata lies inside private and public networks.
_KINDS: tuple[tuple[Kind, tuple[IPNetwork, ...]], ...] = (
    (
        Kind.METADATA,
        _networks(
            "169.254.169.254/32",  # AWS, Azure, Google, Oracle, DigitalOcean and others
            "169.254.170.0/24",  # AWS task and pod credentials
            "fd00:ec2::254/128",  # AWS
            "fd00:ec2::23/128",  # AWS pod credentials
            "fd20:ce::254/128",  # Google
            "fd00:c1::a9fe:a9fe/128",  # Oracle
            "100.100.100.200/32",  # Alibaba
            "168.63.129.16/32",  # Azure's wire server, a public address
            "192.0.0.192/32",  # Oracle Cloud classic
        ),
    ),
    (Kind.BROADCAST, _networks("255.255.255.255/32")),
    # All of 0/8 means "this network"; Linux sends 0.0.0.0 to loopback.
    (Kind.UNSPECIFIED, _networks("0.0.0.0/8", "::/128")),
    (Kind.LINK_LOCAL, _networks("169.254.0.0/16", "fe80::/10")),
    (Kind.MULTICAST, _networks("224.0.0.0/4", "ff00::/8")),
    (Kind.LOOPBACK, LOOPBACK_NETWORKS),
    (Kind.PRIVATE, PRIVATE_NETWORKS),
)

# IPv6 networks that carry an IPv4 address in their last 32 bits.
_EMBEDDING = _networks("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
_NAT64_LOCAL = ip_network("64:ff9b:1::/48")
_LOW_32 = 0xFFFF_FFFF
_ISATAP_MARKS = (0x0000_5EFE, 0x0200_5EFE)


def kind_of(ip: IPAddress) -> Kind:
    """The kind of a plain (already unwrapped) address."""
    for kind, networks in _KINDS:
        if in_networks(ip, networks):
            return kind
    return Kind.PUBLIC if ip.is_global else Kind.RESERVED


def unwrap(ip: IPAddress) -> tuple[IPAddress, ...]:
    """The addresses a packet to `ip` may end at: itself, or those inside it. Never empty."""
    if isinstance(ip, IPv4Address) or int(ip) in (0, 1):
        return (ip,)
    return _embedded(ip) or (ip,)


def _embedded(ip: IPv6Address) -> tuple[IPAddress, ...]:
    if ip.sixtofour is not None:
        return (ip.sixtofour,)
    if ip.teredo is not None:
        return ip.teredo
    tail = IPv4Address(int(ip) & _LOW_32)
    if in_networks(ip, _EMBEDDING):
        return (tail,)
    if ip in _NAT64_LOCAL:
        # The operator's prefix length is unknown: both places count, where they hold something.
        return tuple(found for found in (tail, _nat64_local(ip)) if int(found)) or (tail,)
    # An ISATAP interface may sit in any network, so the outer address counts as well.
    return (ip, tail) if (int(ip) >> 32) & _LOW_32 in _ISATAP_MARKS else ()


def _nat64_local(ip: IPv6Address) -> IPv4Address:
    """RFC 6052 2.2 for a /48 prefix: bits 48-63 and 72-87 (bits 64-71 are zero)."""
    bits = int(ip)
    return IPv4Address(((bits >> 64) & 0xFFFF) << 16 | (bits >> 40) & 0xFFFF)
