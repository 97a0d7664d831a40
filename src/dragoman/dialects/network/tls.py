"""TLS to databases: what is trusted, and where plain text is allowed.

The environment has no say: SSL_CERT_FILE and SSL_CERT_DIR of OpenSSL and REQUESTS_CA_BUNDLE of HTTP
libraries are ignored here, because they would change what is trusted behind the operator's back.
The operator's choice is `TlsPolicy.ca_file`.
"""

from __future__ import annotations

import atexit
import shutil
import ssl
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

if TYPE_CHECKING:
    from dragoman.dialects.network.address import Address

Plaintext = Literal["loopback", "private", "never"]

_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """The operator's rules for TLS.

    `ca_file`: a PEM file with further certificate authorities, trusted beside those of the system.
    `plaintext`: the addresses a database that offers no TLS may have.
    """

    ca_file: Path | None = None
    plaintext: Plaintext = "loopback"

    def allows_plaintext(self, address: Address) -> bool:
        """Whether a database without TLS may be spoken to at this address."""
        if self.plaintext == "never":
            return False
        return address.is_loopback if self.plaintext == "loopback" else address.is_private

    def context(self, verify: bool = True) -> ssl.SSLContext:
        """A client context: TLS 1.2 or later, chain and host name verified unless `verify` is off.

        Raises `DatabaseFailure` (settings) when the operator's CA file cannot be read.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        system = system_bundle()
        if system is not None:
            context.load_verify_locations(cafile=str(system))
        if self.ca_file is not None:
            self._load_ca_file(context, self.ca_file)
        return context

    def ca_path(self) -> str:
        """One PEM file with everything `context` trusts, for drivers that take a file.

        With an operator's file this is a joined copy in a private directory of this process,
        removed at exit; otherwise the system's own bundle.
        Raises `DatabaseFailure` (settings) when there is nothing to trust.
        """
        system = system_bundle()
        if self.ca_file is None:
            if system is None:
                raise _settings("This machine has no bundle of certificate authorities.")
            return str(system)
        if system is None:
            return str(self.ca_file)
        try:
            return _joined(system, self.ca_file, self.ca_file.stat().st_mtime_ns)
        except OSError as error:
            raise _unreadable(self.ca_file, error) from error

    @staticmethod
    def _load_ca_file(context: ssl.SSLContext, path: Path) -> None:
        try:
            context.load_verify_locations(cafile=str(path))
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error


def system_bundle() -> Path | None:
    """The system's CA bundle, found without the environment; certifi's as a last resort."""
    compiled_in = ssl.get_default_verify_paths().openssl_cafile
    for candidate in (*_SYSTEM_BUNDLES, compiled_in):
        if Path(candidate).is_file():
            return Path(candidate)
    try:
        import certifi
    except ImportError:
        return None
    return Path(certifi.where())


@lru_cache(maxsize=8)
def _joined(system: Path, own: Path, changed_ns: int) -> str:
    """Both bundles in one file. `changed_ns` makes an edited CA file a new entry of the cache."""
    directory = tempfile.mkdtemp(prefix="dragoman-ca-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    joined = Path(directory, f"ca-{changed_ns}.pem")
    joined.write_bytes(own.read_bytes() + b"\n" + system.read_bytes())
    return str(joined)


def _unreadable(path: Path, error: Exception) -> DatabaseFailure:
    reason = getattr(error, "strerror", None) or str(error)
    return _settings(f"The CA file {path} cannot be used: {reason}.")


def _settings(message: str) -> DatabaseFailure:
    fix = "Set tls_ca_file to a readable PEM file with at least one certificate."
    return DatabaseFailure(Stage.SETTINGS, Cause.SETTINGS_INVALID, message, fix)
