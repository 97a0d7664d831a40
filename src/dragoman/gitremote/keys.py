"""Deploy keys: made here, or given by the user and checked. In memory only as secrets."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from dragoman.gitremote.failures import invalid
from dragoman.secret import SecretStr

LEAST_RSA_BITS = 2048
COMMENT = "dragoman"


@dataclass(frozen=True, slots=True)
class DeployKey:
    """`private`: OpenSSH text without a passphrase. `public`: one line for the git host."""

    private: SecretStr
    public: str


def generate_key(comment: str = COMMENT) -> DeployKey:
    """A new Ed25519 key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _export(Ed25519PrivateKey.generate(), comment)


def load_key(
    text: SecretStr, passphrase: SecretStr | None = None, comment: str = COMMENT
) -> DeployKey:
    """A key that the user made: OpenSSH or PEM; Ed25519, ECDSA, or RSA of 2048 bits and more.

    Raises `GitFailure` (settings) with the contract's texts.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    password = passphrase.reveal().encode() if passphrase else None
    raw = text.reveal().strip().encode(errors="replace") + b"\n"
    try:
        return _export(_parse(raw, password), comment)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        told = _reason(str(error), raw, password)
    # Out here: what was caught may quote the key.
    raise invalid(told)


def _parse(raw: bytes, password: bytes | None) -> Any:
    from cryptography.hazmat.primitives import serialization

    if b"BEGIN OPENSSH PRIVATE KEY" in raw:
        return serialization.load_ssh_private_key(raw, password)
    return serialization.load_pem_private_key(raw, password)


def _reason(said: str, raw: bytes, password: bytes | None) -> str:
    said = said.lower()
    if password is None and ("encrypted" in said or "password" in said):
        return "Encrypted key requires deployKeyPassphrase"
    if password is not None and _opens_with(raw, None):
        return "The key is not encrypted; leave deployKeyPassphrase out"
    encrypted = b"ENCRYPTED" in raw or b"BEGIN OPENSSH" in raw
    wrong = any(word in said for word in ("password", "corrupt", "decrypt", "broken checksum"))
    return "Wrong passphrase" if password is not None and encrypted and wrong else _INVALID


_INVALID = "Invalid key format"


def _opens_with(raw: bytes, password: bytes | None) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        _parse(raw, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _export(key: Any, comment: str) -> DeployKey:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < LEAST_RSA_BITS:
        raise invalid(f"The RSA key has fewer than {LEAST_RSA_BITS} bits")
    kinds = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
    if not isinstance(key, kinds):
        raise invalid("The key is neither Ed25519, ECDSA nor RSA")
    private = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return DeployKey(SecretStr(private), f"{public.decode()} {comment}")


def fingerprint(host_key: str) -> str:
    """`SHA256:…` of a key as `type base64`, as ssh-keygen prints it."""
    blob = base64.b64decode(host_key.split(" ")[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
