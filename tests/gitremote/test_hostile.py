"""Servers and repositories that mean harm, or are broken: each a clear failure, in time."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from dragoman.dialects.failures import Cause, Stage
from dragoman.dialects.network import TlsPolicy
from dragoman.egress import EgressPolicy
from dragoman.gitremote import Access, GitFailure, Limits, Remote, generate_key, parse_address
from dragoman.gitremote.packs import check_pack
from dragoman.secret import SecretStr
from tests.gitremote.conftest import KEY, ME, QUICK
from tests.support.certificates import Certificates
from tests.support.gitserver import TOKEN, Bare, HttpsServer, SshServer, https_server, ssh_server
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import serving, tls_handler

YAML = (".yaml",)
Opener = Callable[..., Remote]


@pytest.fixture
def opened(tmp_path: Path, network: EgressPolicy) -> Opener:
    """A remote at any address, quick to give up."""

    def make(url: str, **options: Any) -> Remote:
        limits = options.pop("limits", QUICK)
        secret = KEY.private if url.startswith("ssh") else SecretStr(TOKEN)
        access = Access(parse_address(url), options.pop("secret", secret), **options)
        return Remote(network, access, tmp_path / "cache", limits)

    return make


def failure(remote: Remote, ref: str = "main") -> GitFailure:
    began = time.monotonic()
    with pytest.raises(GitFailure) as caught:
        remote.snapshot(ref, "omni", YAML)
    assert time.monotonic() - began < 10 + SLOW_MACHINE
    assert TOKEN not in str(caught.value) + str(caught.value.fix)
    return caught.value


# Repositories


def link(bare: Bare, mode: int, name: str = "omni/x.yaml", content: bytes = b"/etc/passwd") -> None:
    from dulwich.objects import Blob

    blob = Blob.from_string(content)
    bare.repo.object_store.add_object(blob)
    bare.commit_entries({name: (mode, blob.id)})


@pytest.mark.parametrize(
    ("mode", "name", "told"),
    [
        (0o120000, "omni/x.yaml", "omni/x.yaml"),
        (0o120000, "omni/deep/x.yaml", "deep/x.yaml in the repository is a symbolic link"),
        (0o160000, "omni/x.yaml", "x.yaml in the repository is a submodule"),
        (0o120000, "omni", "omni in the repository is not a folder"),
        (0o100644, "omni/../x.yaml", "not safe"),
        (0o100644, "omni/.git/x.yaml", "not safe"),
        (0o100644, "omni/.GIT/x.yaml", "not safe: .GIT"),
        (0o100644, "omni/./x.yaml", "not safe"),
        (0o100644, "omni/a\nb.yaml", "not safe"),
        (0o100644, "omni/a\\b.yaml", "not safe"),
    ],
)
def test_links_submodules_and_unsafe_names(
    bare: Bare, https: HttpsServer, opened: Opener, mode: int, name: str, told: str
) -> None:
    link(bare, mode, name)
    said = failure(opened(https.url())).message
    assert told.removeprefix("omni/") in said


def test_links_elsewhere_do_not_matter(bare: Bare, https: HttpsServer, opened: Opener) -> None:
    link(bare, 0o120000, "elsewhere/x.yaml")
    assert opened(https.url()).snapshot("main", "omni", YAML).files == {}


def test_hooks_and_configuration_of_the_remote_stay_there(
    bare: Bare, https: HttpsServer, opened: Opener, tmp_path: Path
) -> None:
    """Nothing but objects arrives, and nothing in a tree is more than a file."""
    marker = tmp_path / "ran"
    evil = f"#!/bin/sh\ntouch {marker}\n".encode()
    (bare.path / "hooks").mkdir(exist_ok=True)
    for hook in ("post-checkout", "post-merge", "post-index-change", "fsmonitor-watchman"):
        (bare.path / "hooks" / hook).write_bytes(evil)
        (bare.path / "hooks" / hook).chmod(0o755)
    with (bare.path / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = touch {marker}\n\tsshCommand = touch {marker}\n")
    head = bare.commit(
        {
            ".gitmodules": b'[submodule "x"]\n\tpath = omni/x\n\turl = ssh://-oProxyCommand=x/y\n',
            ".gitattributes": b"*.yaml filter=evil\n",
            "omni/a.yaml": b"1",
        }
    )
    remote = opened(https.url())
    assert remote.snapshot("main", "omni", YAML).files == {"a.yaml": b"1"}
    remote.push("main", head, head, "omni", {"a.yaml": b"2"}, "m", ME)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"objects", "tips"}
    assert not marker.exists()


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(object_bytes=1000), "one file"),
        (Limits(inflated_bytes=1000), "all of it unpacked"),
        (Limits(answer_bytes=2000), "an answer"),
        (Limits(reference_bytes=100), "an answer"),
        (Limits(objects=2), "the number of objects"),
        (Limits(files=2), "the model's folder"),
        (Limits(files_bytes=1000), "the model's folder"),
        (Limits(file_bytes=1000), "the file big.yaml"),
        (Limits(tree_depth=2), "nested too deeply"),
    ],
)
def test_more_than_is_taken(
    bare: Bare, https: HttpsServer, opened: Opener, limits: Limits, told: str
) -> None:
    import os

    bare.commit({"omni/big.yaml": os.urandom(5000), "omni/a.yaml": b"1", "omni/b/c/d.yaml": b"2"})
    assert told in failure(opened(https.url(), limits=limits)).message


def pack(*objects: bytes) -> bytes:
    body = b"PACK" + struct.pack(">II", 2, len(objects)) + b"".join(objects)
    return body + hashlib.sha1(body).digest()


def head_of(kind: int, size: int) -> bytes:
    first, size = (kind << 4) | (size & 15), size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    return bytes([*out, first])


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    return bytes([*out, value])


BOMB = zlib.compress(b"\0" * 50_000_000)
DELTA = varint(10) + varint(1 << 40) + b"\xff" * 70
PACKS = {
    "a declared giant": (pack(head_of(3, 1 << 40) + zlib.compress(b"")), "one file"),
    "a bomb that lies": (pack(head_of(3, 100) + BOMB), "damaged"),
    "a delta to a giant": (
        pack(head_of(7, len(DELTA)) + b"a" * 20 + zlib.compress(DELTA)), "one file"
    ),
    "no pack": (b"GARB" + b"\0" * 40, "damaged"),
    "an unknown kind": (pack(head_of(5, 0) + zlib.compress(b"")), "damaged"),
    "a half": (pack(head_of(3, 100) + zlib.compress(bytes(100)))[:-25], "damaged"),
    "no compression": (pack(head_of(3, 100) + b"x" * 200), "damaged"),
    "an endless number": (pack(b"\xff" * 40), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", PACKS)
def test_packs_that_would_unpack_to_anything(name: str, tmp_path: Path) -> None:
    content, told = PACKS[name]
    (tmp_path / "pack").write_bytes(content)
    with (tmp_path / "pack").open("rb") as file, pytest.raises(GitFailure) as caught:
        check_pack(file, Limits())
    assert told in caught.value.message


# Servers over HTTPS

LINE = b"1" * 40 + b" refs/heads/main\0side-band-64k shallow\n"
ADVERTISED = b"001e# service=git-upload-pack\n0000%04x%s0000" % (len(LINE) + 4, LINE)
GIT_TYPE = ("Content-Type", "application/x-git-upload-pack-advertisement")


def answering(body: bytes, *headers: tuple[str, str], status: str = "200 OK") -> Any:
    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            start("200 OK", [("Content-Type", "application/x-git-upload-pack-result")])
            return [b"0008NAK\n", body[:0]]
        start(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return application


LOCATION = "Location"
ODD = {
    "another host": (
        answering(b"", (LOCATION, "https://169.254.169.254/info/refs?service=git-upload-pack"),
                  status="302 Found"),
        "sends clients on to another host",
    ),
    "plain text": (
        answering(b"", (LOCATION, "http://localhost/info/refs?service=git-upload-pack"),
                  status="301 Moved"),
        "sends clients on to another host",
    ),
    "no address": (answering(b"", (LOCATION, "https://["), status="302 Found"), "git server"),
    "round and round": (
        answering(b"", (LOCATION, "/repo.git/info/refs?service=git-upload-pack"),
                  status="302 Found"),
        "on and on",
    ),
    "a web page": (answering(b"<html>", ("Content-Type", "text/html")), "smart HTTP"),
    "no type": (answering(b"x"), "smart HTTP"),
    "no lines": (answering(b"zzzz", GIT_TYPE), "git server"),
    "half a line": (answering(ADVERTISED[:50], GIT_TYPE), "git server"),
    "no answer to the fetch": (answering(ADVERTISED, GIT_TYPE), "git server"),
    "version 2 unasked": (answering(b"000eversion 2\n0000", GIT_TYPE), "git server"),
    "an error": (answering(b"", status="500 Oops"), "HTTP status 500"),
    "not permitted": (answering(b"", status="403 Forbidden"), "403"),
    "an error line": (answering(b"001e# service=git-upload-pack\n00000012ERR bad\x1b[31m\n",
                                GIT_TYPE), "git server"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_answers(tmp_path: Path, certificates: Certificates, opened: Opener, name: str) -> None:
    application, told = ODD[name]
    with https_server(tmp_path, certificates.good, application) as server:
        said = failure(opened(server.url()))
    assert told in said.message
    assert "\x1b" not in said.message


def test_a_redirect_on_the_same_host_is_followed(
    bare: Bare, tmp_path: Path, certificates: Certificates, opened: Opener
) -> None:
    bare.commit({"omni/a.yaml": b"1"})
    with https_server(tmp_path / "served", certificates.good) as target:
        # The same origin is host and port: another port is another server.
        to = (LOCATION, target.url() + "/info/refs?service=git-upload-pack")
        with https_server(tmp_path, certificates.good, answering(b"", to, status="302 X")) as odd:
            assert "another host" in failure(opened(odd.url())).message
        assert target.requests == []


def test_refused_tokens_and_missing_repositories(
    bare: Bare, https: HttpsServer, opened: Opener
) -> None:
    said = failure(opened(https.url(), secret=SecretStr("wrong")))
    assert (said.stage, said.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert "wrong" not in said.message
    assert failure(opened(https.url("none.git"))).cause is Cause.OBJECT_NOT_FOUND


def test_certificates_are_verified(
    tmp_path: Path, certificates: Certificates, opened: Opener
) -> None:
    for pair in (certificates.other_ca, certificates.expired, certificates.other_host):
        with https_server(tmp_path, pair) as server:
            assert failure(opened(server.url())).stage is Stage.TLS
            assert server.sent == []


# Servers over SSH


def test_a_changed_host_key(bare: Bare, ssh: SshServer, opened: Opener) -> None:
    bare.commit({"omni/a.yaml": b"1"})
    first = opened(ssh.url())
    first.snapshot("main", "omni", YAML)
    pinned = first.host_key
    assert pinned is not None
    assert opened(ssh.url(), host_key=pinned).snapshot("main", "omni", YAML).files
    ssh.commands.clear()
    ssh.host_key = paramiko.ECDSAKey.generate()
    said = failure(opened(ssh.url(), host_key=pinned))
    assert said.cause is Cause.TLS_UNTRUSTED
    assert said.message.count("SHA256:") == 2
    ssh.host_key = paramiko.RSAKey.generate(2048)
    assert "none of that kind" in failure(opened(ssh.url(), host_key=pinned)).message
    assert ssh.commands == []


def test_a_key_that_is_not_accepted(bare: Bare, ssh: SshServer, opened: Opener) -> None:
    said = failure(opened(ssh.url(), secret=generate_key().private))
    assert said.stage is Stage.AUTHENTICATION


def test_a_repository_that_is_not_there(ssh: SshServer, opened: Opener) -> None:
    assert "Repository not found" in failure(opened(ssh.url("none.git"))).message


def test_the_path_is_one_word_for_a_shell(bare: Bare, ssh: SshServer, opened: Opener) -> None:
    failure(opened(ssh.url("$(touch${IFS}x);a.git")))
    assert ssh.commands == ["git-upload-pack '/$(touch${IFS}x);a.git'"]


# Anything at all behind the port


def silence(client: socket.socket) -> None:
    client.recv(1)
    time.sleep(60)


def trickle(client: socket.socket) -> None:
    for _ in range(600):
        client.sendall(b"S")
        time.sleep(0.1)


def hang_up(client: socket.socket) -> None:
    client.close()


def web(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def flood(client: socket.socket) -> None:
    while True:
        client.sendall(b"x" * 65536)


@pytest.mark.parametrize("scheme", ["ssh://git@127.0.0.1", "https://localhost"])
@pytest.mark.parametrize("handler", [silence, trickle, hang_up, web, flood])
def test_something_else_listens(opened: Opener, scheme: str, handler: Any) -> None:
    def quiet(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            handler(client)

    with serving(quiet) as port:
        said = failure(opened(f"{scheme}:{port}/repo.git"))
    assert said.message


def test_silence_after_the_handshake(certificates: Certificates, opened: Opener) -> None:
    def wait(client: socket.socket) -> None:
        tls_handler(certificates.good)(client)
        time.sleep(60)

    with serving(wait) as port:
        said = failure(opened(f"https://localhost:{port}/repo.git"))
    assert said.cause in (Cause.TIMEOUT, Cause.CONNECTION_LOST)


def test_nobody_listens(opened: Opener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said = failure(opened(f"ssh://git@127.0.0.1:{port}/repo.git"))
    assert (said.stage, said.cause) == (Stage.TCP, Cause.REFUSED)
    assert "database" not in str(said.fix)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Where sockets were connected to."""
    seen: list[Any] = []
    real = socket.socket.connect

    def spy(self: socket.socket, address: Any) -> None:
        seen.append(address)
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", spy)
    return seen


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "localhost", "127.0.0.1", "0x7f000001", "metadata.test"]
)
@pytest.mark.parametrize("form", ["git@{}:a/b.git", "ssh://git@{}/a.git", "https://{}/a.git"])
def test_addresses_that_may_not_be_dialled(
    tmp_path: Path, dialled: list[Any], host: str, form: str
) -> None:
    policy = EgressPolicy.build(tls=TlsPolicy(), resolver=lambda _: ["169.254.169.254"])
    access = Access(parse_address(form.format(host)), KEY.private)
    said = failure(Remote(policy, access, tmp_path / "cache", QUICK))
    assert said.cause in (Cause.ADDRESS_DENIED, Cause.SETTINGS_INVALID)
    assert dialled == []


def test_the_pinned_kind_of_key_is_asked_for(bare: Bare, tmp_path: Path, opened: Opener) -> None:
    bare.commit({"omni/a.yaml": b"1"})
    rsa, ecdsa = paramiko.RSAKey.generate(2048), paramiko.ECDSAKey.generate()
    with ssh_server(tmp_path / "served", host_key=rsa) as server:
        server.allowed.add(KEY.public.removesuffix(" dragoman"))
        server.more_keys.append(ecdsa)
        chosen = opened(server.url())
        chosen.snapshot("main", "omni", YAML)
        assert chosen.host_key == f"{ecdsa.get_name()} {ecdsa.get_base64()}"
        pinned = f"{rsa.get_name()} {rsa.get_base64()}"
        assert opened(server.url(), host_key=pinned).snapshot("main", "omni", YAML).files
