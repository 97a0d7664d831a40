"""Git servers on 127.0.0.1 over bare repositories: SSH (paramiko) and smart HTTP with TLS.

What speaks git behind SSH is dulwich's server or the git command, where this machine has it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import paramiko
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.protocol import ReceivableProtocol
from dulwich.refs import Ref
from dulwich.repo import Repo
from dulwich.server import DictBackend, ReceivePackHandler, UploadPackHandler
from dulwich.web import make_wsgi_chain

from tests.support.certificates import ServerCertificate
from tests.support.servers import serving

GIT = shutil.which("git")
TOKEN = "glpat-right"
Entry = tuple[int, bytes]


@dataclass
class Bare:
    """A bare repository, written to from behind the server's back."""

    path: Path
    repo: Repo = field(init=False)

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True)
        self.repo = Repo.init_bare(self.path, default_branch=b"main")

    def commit(
        self, files: dict[str, bytes | None], branch: str = "main", message: str = "by hand"
    ) -> str:
        """Writes files over those of the branch (None removes) and commits; the new id."""
        entries = self._entries(branch)
        for name, content in files.items():
            entries.pop(name, None)
            if content is not None:
                blob = Blob.from_string(content)
                self.repo.object_store.add_object(blob)
                entries[name] = (0o100644, blob.id)
        return self.commit_entries(entries, branch, message)

    def commit_entries(
        self, entries: dict[str, Entry], branch: str = "main", message: str = "by hand"
    ) -> str:
        ref = Ref(b"refs/heads/" + branch.encode())
        parents = [self.repo.refs[ref]] if ref in self.repo.refs else []
        commit = Commit()
        commit.tree = self._tree(entries)
        commit.parents = parents
        commit.author = commit.committer = b"Somebody <somebody@example.com>"
        commit.author_time = commit.commit_time = 1_700_000_000
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = message.encode()
        self.repo.object_store.add_object(commit)
        self.repo.refs[ref] = commit.id
        return commit.id.decode()

    def branch(self, name: str, start: str = "main") -> None:
        heads = b"refs/heads/"
        self.repo.refs[Ref(heads + name.encode())] = self.repo.refs[Ref(heads + start.encode())]

    def tag(self, name: str, commit: str) -> None:
        self.repo.refs[Ref(b"refs/tags/" + name.encode())] = ObjectID(commit.encode())

    def head(self, branch: str = "main") -> str | None:
        ref = Ref(b"refs/heads/" + branch.encode())
        return self.repo.refs[ref].decode() if ref in self.repo.refs else None

    def files(self, branch: str = "main") -> dict[str, bytes]:
        store = self.repo.object_store
        found = {}
        for name, (_, sha) in self._entries(branch).items():
            blob = store[ObjectID(sha)]
            assert isinstance(blob, Blob)
            found[name] = blob.data
        return found

    def log(self, branch: str = "main") -> list[Commit]:
        """Newest first, along the first parents."""
        found: list[Commit] = []
        sha = self.head(branch)
        while sha:
            commit = self.repo.object_store[ObjectID(sha.encode())]
            assert isinstance(commit, Commit)
            found.append(commit)
            sha = commit.parents[0].decode() if commit.parents else None
        return found

    def _entries(self, branch: str) -> dict[str, Entry]:
        head = self.head(branch)
        if head is None:
            return {}
        commit = self.repo.object_store[ObjectID(head.encode())]
        assert isinstance(commit, Commit)
        contents = self.repo.object_store.iter_tree_contents(commit.tree)
        return {(e.path or b"").decode(): (e.mode or 0, e.sha or b"") for e in contents}

    def _tree(self, entries: dict[str, Entry]) -> ObjectID:
        tree = Tree()
        folders: dict[str, dict[str, Entry]] = {}
        for name, (mode, sha) in entries.items():
            first, slash, rest = name.partition("/")
            if slash:
                folders.setdefault(first, {})[rest] = (mode, sha)
            else:
                tree.add(name.encode(), mode, ObjectID(sha))
        for name, inner in folders.items():
            tree.add(name.encode(), 0o040000, self._tree(inner))
        self.repo.object_store.add_object(tree)
        return tree.id


@dataclass
class SshServer:
    """Who may come in, what it shows, and what it was asked."""

    root: Path
    speaker: str = "dulwich"
    host_key: paramiko.PKey = field(default_factory=paramiko.ECDSAKey.generate)
    more_keys: list[paramiko.PKey] = field(default_factory=list)
    allowed: set[str] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, name: str = "repo.git") -> str:
        return f"ssh://git@127.0.0.1:{self.port}/{name}"

    def handle(self, client: socket.socket) -> None:
        transport = paramiko.Transport(client)
        for key in (self.host_key, *self.more_keys):
            transport.add_server_key(key)
        door = _Door(self)
        try:
            transport.start_server(server=door)
            door.asked.wait(10)
            channel = transport.accept(10)
            if channel is not None and door.command:
                self._run(channel, door.command)
        except (paramiko.SSHException, EOFError, OSError):
            pass
        finally:
            transport.close()

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        self.commands.append(command)
        service, _, quoted = command.partition(" ")
        name = quoted.strip("'").strip("/")
        path = self.root / name
        if not path.is_dir():
            channel.sendall_stderr(b"ERROR: Repository not found.\n")
            channel.send_exit_status(1)
        elif self.speaker == "git":
            _run_git(channel, service, path)
        else:
            _run_dulwich(channel, service, path)
        channel.close()


class _Door(paramiko.ServerInterface):
    def __init__(self, server: SshServer) -> None:
        self.server = server
        self.asked = threading.Event()
        self.command = ""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = f"{key.get_name()} {key.get_base64()}" in self.server.allowed
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.command = command.decode()
        self.asked.set()
        return True


def _run_dulwich(channel: paramiko.Channel, service: str, path: Path) -> None:
    with Repo(str(path)) as repo:
        backend = DictBackend({b"/": repo, "/": repo})
        protocol = ReceivableProtocol(channel.recv, channel.sendall)
        classes: dict[str, Any] = {
            "git-upload-pack": UploadPackHandler,
            "git-receive-pack": ReceivePackHandler,
        }
        with contextlib.suppress(Exception):
            classes[service](backend, ["/"], protocol).handle()
    channel.send_exit_status(0)


def _run_git(channel: paramiko.Channel, service: str, path: Path) -> None:
    assert GIT is not None
    process = subprocess.Popen(
        [GIT, service.removeprefix("git-"), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    def feed() -> None:
        with contextlib.suppress(OSError), stdin:
            while data := channel.recv(65536):
                stdin.write(data)
                stdin.flush()

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    with stdout:
        while data := os.read(stdout.fileno(), 65536):
            channel.sendall(data)
    channel.send_exit_status(process.wait(20))


@contextlib.contextmanager
def ssh_server(root: Path, **options: Any) -> Iterator[SshServer]:
    server = SshServer(root, **options)
    with serving(server.handle) as port:
        server.port = port
        yield server


@dataclass
class HttpsServer:
    """Smart HTTP with Basic authentication, TLS outside."""

    port: int
    requests: list[tuple[str, str]]
    sent: list[str]

    def url(self, name: str = "repo.git") -> str:
        return f"https://localhost:{self.port}/{name}"


Application = Callable[[dict[str, Any], Any], Any]


@contextlib.contextmanager
def https_server(
    root: Path,
    certificate: ServerCertificate,
    application: Application | None = None,
    api: Application | None = None,
) -> Iterator[HttpsServer]:
    """Serves every repository under `root`, or another WSGI application in its place; `api`: what
    is below /api/v3/."""
    server = HttpsServer(0, [], [])

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    def guarded(environ: dict[str, Any], start: Any) -> Any:
        server.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        sent = environ.get("HTTP_AUTHORIZATION", "")
        server.sent.append(sent)
        if api is not None and environ["PATH_INFO"].startswith("/api/v3/"):
            return api(environ, start)
        if application is not None:
            return application(environ, start)
        right = base64.b64decode(sent.partition(" ")[2]).decode().endswith(":" + TOKEN)
        if not right:
            start("401 Unauthorized", [("WWW-Authenticate", "Basic")])
            return [b""]
        if environ.get("HTTP_TRANSFER_ENCODING") == "chunked":
            environ["wsgi.input"] = _Chunks(environ["wsgi.input"])
        name = environ["PATH_INFO"].split("/")[1]
        if not (root / name).is_dir():
            start("404 Not Found", [])
            return [b""]
        with Repo(str(root / name)) as repo:
            chain = make_wsgi_chain(DictBackend({f"/{name}": repo}))
            return list(chain(environ, start))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    with WSGIServer(("127.0.0.1", 0), Quiet) as httpd:
        httpd.set_app(guarded)
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        httpd.handle_error = lambda request, client: None
        server.port = httpd.server_port
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            httpd.shutdown()
            thread.join(5)


class _Chunks:
    """wsgiref does not decode a chunked body."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._data = b""
        self._done = False

    def read(self, size: int = -1) -> bytes:
        while not self._done and (size < 0 or len(self._data) < size):
            length = int(self._raw.readline().split(b";")[0], 16)
            self._data += self._raw.read(length)
            self._raw.readline()
            self._done = length == 0
        size = len(self._data) if size < 0 else size
        part, self._data = self._data[:size], self._data[size:]
        return part
