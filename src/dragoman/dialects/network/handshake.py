"""The TLS handshake as a probe: every way it can fail has a cause, a sentence and a fix."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network.deadline import PROBE_SECONDS, Deadline, silent
from dragoman.dialects.network.tls import TlsPolicy

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _NAME_MISMATCH, _ADDRESS_MISMATCH = 9, 10, 62, 64
_UNTRUSTED_FIX = (
    "Add the certificate authority that signed it to the operator's CA file (tls_ca_file)."
)
_VALIDITY = {
    _EXPIRED: ("has expired", "Renew the certificate on the server."),
    _NOT_YET_VALID: ("is not valid yet", "Check the clocks of both machines."),
}
# Reasons OpenSSL gives when both sides speak TLS and share no version or cipher.
_DISAGREEMENTS = ("PROTOCOL", "VERSION_TOO_LOW", "HANDSHAKE_FAILURE", "CIPHER")


def probe_tls(
    sock: socket.socket,
    server_hostname: str,
    policy: TlsPolicy,
    verify: bool = True,
    *,
    timeout: float = PROBE_SECONDS,
    reopen: Callable[[], socket.socket] | None = None,
) -> ssl.SSLSocket:
    """Start TLS on a connected socket and verify the server. `sock` is taken over, even on failure.

    `reopen` gives a second socket in the same state. It is used once, after a wrong host name, to
    read the names that the (trusted) certificate does carry; without it they stay unknown.
    Raises `DatabaseFailure` (tls): tls_untrusted, tls_hostname, tls_unsupported, timeout.
    """
    try:
        context = policy.context(verify)
    except DatabaseFailure:
        sock.close()
        raise
    try:
        return _handshake(sock, server_hostname, context, timeout)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code not in (_NAME_MISMATCH, _ADDRESS_MISMATCH):
            raise _untrusted(error) from error
        names = _certificate_names(reopen, server_hostname, policy, timeout) if reopen else ()
        raise _wrong_name(server_hostname, names) from error
    except TimeoutError as error:
        raise silent() from error
    except OSError as error:
        raise _unsupported(error) from error
    except ValueError as error:
        raise _impossible_name() from error


def _handshake(
    sock: socket.socket, server_hostname: str, context: ssl.SSLContext, timeout: float
) -> ssl.SSLSocket:
    try:
        # The ssl module finds these names out too late, and leaks the socket then.
        if "\0" in server_hostname or not server_hostname.encode("idna"):
            raise ValueError("not a host name")
        # One time-out covers the whole handshake: CPython turns it into a deadline.
        sock.settimeout(Deadline(timeout).left())
        wrapped = context.wrap_socket(
            sock, server_hostname=server_hostname, do_handshake_on_connect=False
        )
    except BaseException:
        sock.close()
        raise
    try:
        wrapped.do_handshake()
    except BaseException:
        wrapped.close()
        raise
    return wrapped


def _certificate_names(
    reopen: Callable[[], socket.socket], asked: str, policy: TlsPolicy, timeout: float
) -> tuple[str, ...]:
    """The subject's alternative names, from a second handshake that checks the chain only."""
    context = policy.context()
    context.check_hostname = False
    try:
        with _handshake(reopen(), asked, context, timeout) as wrapped:
            certificate = wrapped.getpeercert() or {}
    except (OSError, ValueError, DatabaseFailure):
        return ()
    names = certificate.get("subjectAltName", ())
    return tuple(str(name[1]) for name in names if isinstance(name, tuple) and len(name) > 1)[:5]


def _untrusted(error: ssl.SSLCertVerificationError) -> DatabaseFailure:
    told = _VALIDITY.get(error.verify_code)
    if told is not None:
        return _failure(Cause.TLS_UNTRUSTED, f"The server's certificate {told[0]}.", told[1])
    message = f"The server's certificate is not trusted: {error.verify_message}."
    return _failure(Cause.TLS_UNTRUSTED, message, _UNTRUSTED_FIX)


def _wrong_name(asked: str, names: tuple[str, ...]) -> DatabaseFailure:
    carried = f" It is valid for {', '.join(names)}." if names else ""
    return _failure(
        Cause.TLS_HOSTNAME,
        f"The server's certificate is not valid for {asked}.{carried}",
        "Use a host name that the certificate carries, or have it issued for this one.",
    )


def _impossible_name() -> DatabaseFailure:
    return _failure(
        Cause.TLS_HOSTNAME,
        "No certificate can be valid for this host.",
        "Use the host name that the server's certificate carries.",
    )


def _unsupported(error: Exception) -> DatabaseFailure:
    reason = getattr(error, "reason", None) or ""
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)):
        message = "The server closed the connection when TLS was started."
    elif reason.startswith(("TLSV1_ALERT", "SSLV3_ALERT", "TLSV13_ALERT")) or any(
        word in reason for word in _DISAGREEMENTS
    ):
        message = f"The server speaks TLS but no agreement was reached ({_plain(reason)})."
    else:
        message = "The server's answer is not TLS."
    return _failure(
        Cause.TLS_UNSUPPORTED,
        message,
        "Check the port, and that the server has TLS 1.2 or later switched on.",
    )


def _plain(reason: str) -> str:
    return reason.lower().replace("_", " ")


def _failure(cause: Cause, message: str, fix: str) -> DatabaseFailure:
    return DatabaseFailure(Stage.TLS, cause, message, fix)
