"""The rule for TLS to databases in words: verified where offered, plain text only where allowed."""

from __future__ import annotations

import ssl

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Address, TlsPolicy


def agreed(encrypted: ssl.SSLSocket) -> str:
    """What a verified handshake agreed on; closes the socket."""
    version = encrypted.version()
    encrypted.close()
    return f"{version}, certificate verified"


def must_have_tls(address: Address, policy: TlsPolicy, *, ever_allowed: bool = True) -> str:
    """The server offers no TLS: words for it where that is allowed.

    Raises `DatabaseFailure` (tls_unsupported) where it is not.
    """
    if ever_allowed and policy.allows_plaintext(address):
        return "The server offers no TLS; plain text is allowed to this address"
    fix = "Switch TLS on in the server"
    if ever_allowed:
        fix += ", or let the operator allow plain text to it (tls_plaintext)"
    message = f"{address.host} offers no TLS, and plain text is not allowed to it."
    raise DatabaseFailure(Stage.TLS, Cause.TLS_UNSUPPORTED, message, f"{fix}.")
