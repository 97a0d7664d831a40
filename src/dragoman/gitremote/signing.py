"""Signatures of commits by an SSH key, as `gpg.format = ssh` has them.

Source: OpenSSH's PROTOCOL.sshsig; git-config(1), gpg.format; the namespace is `git`.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass, field

from dragoman.gitremote.failures import invalid
from dragoman.secret import SecretStr

_MAGIC, _NAMESPACE, _HASH = b"SSHSIG", b"git", b"sha512"
_WIDTH = 70


@dataclass(frozen=True, slots=True)
class Committer:
    """Who commits; `key`: an Ed25519 key (OpenSSH text) to sign with, None for no signature."""

    name: str = "Dragoman"
    email: str = "dragoman@localhost"
    key: SecretStr | None = field(default=None, repr=False)


def sign(content: bytes, key: SecretStr) -> bytes:
    """The armoured signature of a commit without its signature."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = form.load_ssh_private_key(key.reveal().encode(), None)
    if not isinstance(private, Ed25519PrivateKey):
        raise invalid("The key that signs commits is no Ed25519 key.")
    raw = private.public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
    public = _string(b"ssh-ed25519") + _string(raw)
    about = _string(_NAMESPACE) + _string(b"") + _string(_HASH)
    signed = private.sign(_MAGIC + about + _string(hashlib.sha512(content).digest()))
    signature = _string(_string(b"ssh-ed25519") + _string(signed))
    blob = _MAGIC + struct.pack(">I", 1) + _string(public) + about + signature
    text = base64.b64encode(blob)
    lines = [text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH)]
    return b"\n".join([b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----"])


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
