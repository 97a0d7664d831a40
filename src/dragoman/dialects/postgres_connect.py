"""Connection parameters for libpq: each a value of its own, and none left to the environment.

libpq fills what is not given from PG* variables, ~/.pgpass, ~/.postgresql and service files. Every
parameter that could change where we connect, as whom, or how safely is therefore given.
"""

from __future__ import annotations

import math

from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.network import Address, Network, postgres_starttls
from dragoman.dialects.tls_rule import must_have_tls

# No such file can exist; libpq takes a missing one for "none".
_NO_FILE = "/dev/null/none"
_APPLICATION = "dragoman"
# Ways to sign in that do not send the password as it is; that one only where TLS hides it.
_NOT_READABLE = "scram-sha-256,md5,none"


def parameters(
    target: Target, network: Network, options: SessionOptions, *, plaintext_allowed: bool
) -> tuple[dict[str, str | int], Address]:
    """Probe the server once, and pin what was found: the address and the TLS mode.

    User and password are not among them: they are those of the moment (`conninfo`).
    Raises `DatabaseFailure` (settings, dns, tcp, tls).
    """
    sock, address = network.connect(target.host, target.port, options.connect_seconds)
    with sock:
        encrypted = postgres_starttls(sock, timeout=options.connect_seconds)
        if not encrypted:
            # A minted password is sent as it is.
            allowed = plaintext_allowed and target.renew is None
            must_have_tls(address, network.tls, ever_allowed=allowed)
    return {**_fixed(options), **_where(target, address), **_tls(network, encrypted)}, address


def conninfo(values: dict[str, str | int], target: Target) -> str:
    """libpq's `key='value'` text with every value escaped; both drivers take it.

    `target`: as whom to sign in, `Target.current`.
    """
    from psycopg.conninfo import make_conninfo

    whom = {"user": target.username, "password": target.password.reveal()}
    return make_conninfo("", **values, **whom)


def _where(target: Target, address: Address) -> dict[str, str | int]:
    return {
        # The name is for the certificate; the address is where libpq dials.
        "host": address.host,
        "hostaddr": address.ip,
        "port": address.port,
        "dbname": target.database,
    }


def _tls(network: Network, encrypted: bool) -> dict[str, str | int]:
    if not encrypted:
        return {"sslmode": "disable", "sslrootcert": _NO_FILE, "require_auth": _NOT_READABLE}
    return {
        "sslmode": "verify-full",
        "sslrootcert": network.tls.ca_path(),
        "require_auth": f"{_NOT_READABLE},password",
    }


def _fixed(options: SessionOptions) -> dict[str, str | int]:
    return {
        "application_name": _APPLICATION,
        "connect_timeout": max(2, math.ceil(options.connect_seconds)),  # libpq's least is 2
        "client_encoding": "UTF8",
        "options": "",
        "passfile": _NO_FILE,
        "sslcert": _NO_FILE,
        "sslkey": _NO_FILE,
        "sslcrl": _NO_FILE,
        "sslcrldir": _NO_FILE,
        "sslcertmode": "disable",
        "sslnegotiation": "postgres",
        "ssl_min_protocol_version": "TLSv1.2",
        "sslsni": "1",
        "gssencmode": "disable",
        "channel_binding": "prefer",
        "target_session_attrs": "any",
        "load_balance_hosts": "disable",
        "keepalives": "1",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "tcp_user_timeout": "30000",
    }
