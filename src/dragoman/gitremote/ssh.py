"""Git over SSH: paramiko on a socket of our own, the host key pinned, nothing read from ~/.ssh.

Sources: RFC 4253 (transport), RFC 4252 section 7 (public key login); gitprotocol-pack(5), "SSH
Transport".
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
from collections.abc import Callable, Generator
from typing import Any

import paramiko
from dulwich.client import TraditionalGitClient
from dulwich.protocol import Protocol
from paramiko.ssh_exception import IncompatiblePeer

from dragoman.dialects.network import Network
from dragoman.gitremote.address import RepositoryAddress
from dragoman.gitremote.failures import (
    GitFailure,
    forbidden,
    lost,
    nonsense,
    quoted,
    refused,
    silent,
    untrusted,
)
from dragoman.gitremote.keys import fingerprint
from dragoman.gitremote.wire import Budget, dial, hang_up
from dragoman.secret import SecretStr

_CLASSES = {
    "ssh-ed25519": paramiko.Ed25519Key,
    "ssh-rsa": paramiko.RSAKey,
    "ecdsa-sha2-nistp256": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp384": paramiko.ECDSAKey,
    "ecdsa-sha2-nistp521": paramiko.ECDSAKey,
}
# An RSA host key is asked for by its signature algorithms (RFC 8332).
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_STDERR_BYTES = 2000
# What goes wrong is told by our own failures, once.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class SshClient(TraditionalGitClient):
    """dulwich's client with our own transport.

    `host_key`: the pinned key as `type base64`, or None to trust the first one. `seen` is the key
    that the server showed in the last conversation.
    """

    def __init__(
        self,
        network: Network,
        address: RepositoryAddress,
        key: SecretStr,
        host_key: str | None,
        budget: Budget,
    ) -> None:
        super().__init__(thin_packs=True)
        self._network = network
        self._address = address
        self._key = key
        self.budget = budget
        self.host_key = host_key
        self.seen: str | None = None
        self._transport: paramiko.Transport | None = None
        self._channel: paramiko.Channel | None = None

    @contextlib.contextmanager
    def conversation(self) -> Generator[None]:
        """Bounds everything inside in time, and closes what it opened."""
        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self.told(error) from None
        finally:
            if self._transport is not None:
                self._transport.close()

    def told(self, error: Exception) -> GitFailure:
        """What ended the conversation, in words; the server's own where it gave some."""
        if self.budget.cut or isinstance(error, TimeoutError):
            return silent()
        said = self.complaint()
        return forbidden(f"The git server says: {said}") if said else lost()

    def complaint(self) -> str:
        """What the server wrote for a person; empty when nothing."""
        if self._channel is None or not self._channel.recv_stderr_ready():
            return ""
        return quoted(self._channel.recv_stderr(_STDERR_BYTES))

    def _connect(
        self, cmd: bytes, path: str | bytes, protocol_version: int | None = None
    ) -> tuple[Protocol, Callable[[], bool], None]:
        transport = self._open()
        channel = transport.open_session(timeout=self.budget.patience())
        self._channel = channel
        name = path.decode() if isinstance(path, bytes) else path
        # The address admits no quote; the other side's shell sees one word.
        channel.exec_command(f"git-{cmd.decode()} '{name}'")
        return Protocol(self._read, self._write, self._leave), channel.recv_ready, None

    def _open(self) -> paramiko.Transport:
        sock, _ = dial(self._network, self._address, self.budget.limits)
        transport = self._transport = paramiko.Transport(sock)
        transport.banner_timeout = self.budget.limits.answer_seconds
        transport.auth_timeout = self.budget.limits.answer_seconds
        if self.host_key is not None:
            kind = self.host_key.split(" ")[0]
            transport.get_security_options().key_types = _ALGORITHMS.get(kind, (kind,))
        with self._greeting(sock):
            transport.start_client(timeout=self.budget.patience())
        self._check(transport.get_remote_server_key())
        self._log_in(transport)
        return transport

    @contextlib.contextmanager
    def _greeting(self, sock: socket.socket) -> Generator[None]:
        try:
            yield
        except IncompatiblePeer:
            if self.host_key is not None:
                # It has no key of the pinned kind any more, or never agreed on a cipher.
                raise self._changed(self.host_key, "none of that kind") from None
            raise nonsense("The SSH server shares no algorithm with this one.") from None
        except (paramiko.SSHException, EOFError) as error:
            hang_up(sock)
            late = self.budget.cut or "timeout" in str(error).lower()
            told = "Something answers, but it is not an SSH server."
            raise (silent() if late else nonsense(told)) from None

    def _check(self, key: paramiko.PKey) -> None:
        """Before anything is sent that shows who we are."""
        shown = f"{key.get_name()} {key.get_base64()}"
        if self.host_key is not None and shown != self.host_key:
            raise self._changed(self.host_key, fingerprint(shown))
        self.seen = shown

    def _changed(self, pinned: str, shown: str) -> GitFailure:
        return untrusted(
            f"The host key of {self._address.host} has changed: {fingerprint(pinned)} was "
            f"pinned, the server shows {shown}. Nothing was sent.",
            "Ask the operator of the git server. If the change is theirs, "
            "set hostKey to the new key, or to null to trust the next one.",
        )

    def _log_in(self, transport: paramiko.Transport) -> None:
        try:
            transport.auth_publickey(self._address.user, private_key(self._key))
        except paramiko.AuthenticationException as error:
            if "timeout" in str(error).lower():
                raise silent() from None
            raise refused(
                f"The git server does not accept the deploy key for {self._address.user}.",
                "Add the public key to the repository, with write access for commits.",
            ) from None

    def _read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer at the end only."""
        channel = self._speaking()
        parts: list[bytes] = []
        while size > 0:
            channel.settimeout(self.budget.patience())
            part = channel.recv(min(size, 65536))
            if not part:
                break
            parts.append(self.budget.took(part))
            size -= len(part)
        return b"".join(parts)

    def _write(self, data: bytes) -> int:
        channel = self._speaking()
        channel.settimeout(self.budget.patience())
        channel.sendall(data)
        return len(data)

    def _leave(self) -> None:
        # The server may be gone already: it has said everything.
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            self._speaking().close()

    def _speaking(self) -> paramiko.Channel:
        if self._channel is None:
            raise lost()
        return self._channel

    def hang_up(self) -> None:
        """End the conversation from another thread."""
        transport = self._transport
        if transport is not None:
            transport.close()


def private_key(text: SecretStr) -> paramiko.PKey:
    """The key as paramiko takes it; `text` is what `keys` exported."""
    from cryptography.hazmat.primitives import serialization as form

    raw = text.reveal()
    loaded: Any = form.load_ssh_private_key(raw.encode(), None)
    public = loaded.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    return _CLASSES[public.split(b" ")[0].decode()].from_private_key(io.StringIO(raw))
