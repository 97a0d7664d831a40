"""The network as dialects see it: checked addresses, TLS rules, probes that name a failed stage.

Drivers hide whether DNS, TCP or TLS failed, so adapters probe first and log in afterwards.
"""

from dragoman.dialects.network.address import (
    LOOPBACK_NETWORKS,
    PRIVATE_NETWORKS,
    Address,
    IPAddress,
    IPNetwork,
    Network,
    in_networks,
)
from dragoman.dialects.network.deadline import PROBE_SECONDS, Deadline
from dragoman.dialects.network.handshake import probe_tls
from dragoman.dialects.network.starters import (
    MysqlGreeting,
    mysql_greeting,
    mysql_starttls,
    postgres_starttls,
)
from dragoman.dialects.network.tls import Plaintext, TlsPolicy

__all__ = [
    "LOOPBACK_NETWORKS",
    "PRIVATE_NETWORKS",
    "PROBE_SECONDS",
    "Address",
    "Deadline",
    "IPAddress",
    "IPNetwork",
    "MysqlGreeting",
    "Network",
    "Plaintext",
    "TlsPolicy",
    "in_networks",
    "mysql_greeting",
    "mysql_starttls",
    "postgres_starttls",
    "probe_tls",
]
