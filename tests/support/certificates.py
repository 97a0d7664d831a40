"""Certificates for TLS tests: one that is right, and the ways in which one is wrong."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class ServerCertificate:
    """PEM files that a server is started with."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Certificates:
    """`ca_file` signs `good`, `other_host` and `expired`; `other_ca_file` signs `other_ca`.

    `self_signed` is signed by nobody but itself.
    """

    ca_file: Path
    other_ca_file: Path
    good: ServerCertificate
    other_host: ServerCertificate
    other_ca: ServerCertificate
    expired: ServerCertificate
    self_signed: ServerCertificate


@dataclass(frozen=True)
class Authority:
    """A self-signed CA that can sign server certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, common_name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        now = datetime.now(UTC)
        builder = (
            _builder(name, name, key, now - DAY, now + 365 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    def sign(
        self, hosts: tuple[str, ...], not_before: datetime, not_after: datetime
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A server certificate for `hosts` (names or IP addresses) and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject
        builder = (
            _builder(_name(hosts[0]), issuer, key, not_before, not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_alt(h) for h in hosts]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        return builder.sign(self.key, hashes.SHA256()), key


HERE = ("localhost", "127.0.0.1", "::1")


def make_certificates(directory: Path, here: tuple[str, ...] = HERE) -> Certificates:
    """Writes every file into `directory`. Takes a few milliseconds: the keys are P-256.

    `here`: the names of all certificates but `other_host`.
    """
    authority, stranger = Authority.create("Test CA"), Authority.create("Another CA")
    now = datetime.now(UTC)

    def issue(
        name: str, by: Authority, hosts: tuple[str, ...] = here, until: datetime = now + 30 * DAY
    ) -> ServerCertificate:
        return _write_pair(directory, name, *by.sign(hosts, now - 10 * DAY, until))

    return Certificates(
        ca_file=_write(directory / "ca.pem", _pem(authority.certificate)),
        other_ca_file=_write(directory / "other-ca.pem", _pem(stranger.certificate)),
        good=issue("good", authority),
        other_host=issue("other-host", authority, hosts=("db.elsewhere.example",)),
        other_ca=issue("other-ca-server", stranger),
        expired=issue("expired", authority, until=now - DAY),
        self_signed=_write_pair(directory, "self-signed", *_self_signed(here)),
    )


def make_pair(directory: Path, hosts: tuple[str, ...]) -> tuple[Path, ServerCertificate]:
    """A certificate for these names, and the CA that signed it."""
    authority, now = Authority.create("Test CA of names"), datetime.now(UTC)
    pair = _write_pair(directory, "names", *authority.sign(hosts, now - DAY, now + 30 * DAY))
    return _write(directory / "names-ca.pem", _pem(authority.certificate)), pair


def _self_signed(
    hosts: tuple[str, ...],
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key, name, now = ec.generate_private_key(ec.SECP256R1()), _name(hosts[0]), datetime.now(UTC)
    builder = _builder(name, name, key, now - DAY, now + 30 * DAY).add_extension(
        x509.SubjectAlternativeName([_alt(host) for host in hosts]), critical=False
    )
    return builder.sign(key, hashes.SHA256()), key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alt(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _write_pair(
    directory: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> ServerCertificate:
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return ServerCertificate(
        certificate=_write(directory / f"{name}.pem", _pem(certificate)),
        key=_write(directory / f"{name}.key", key_pem),
    )
