"""A git remote as the rooms use it: look, fetch the files of a branch, push changed files."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from dragoman.dialects.network import Network
from dragoman.gitremote.address import RepositoryAddress
from dragoman.gitremote.failures import GitFailure, forbidden, invalid, missing, nonsense, quoted
from dragoman.gitremote.limits import Limits
from dragoman.gitremote.signing import Committer
from dragoman.gitremote.wire import Budget
from dragoman.secret import SecretStr

if TYPE_CHECKING:
    from dragoman.gitremote.cache import ObjectCache
    from dragoman.gitremote.https import HttpsClient
    from dragoman.gitremote.ssh import SshClient

T = TypeVar("T")
_HEADS, _TAGS = b"refs/heads/", b"refs/tags/"
_ZERO = b"0" * 40


class Moved(Exception):
    """Somebody pushed to the branch in the meantime."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a repository. `secret` is the private key (ssh) or the token (https); None asks
    for a public repository. `host_key`: pinned `type base64`, ssh only. `scheme`: of the token."""

    address: RepositoryAddress
    secret: SecretStr | None
    host_key: str | None = None
    scheme: Literal["basic", "bearer"] = "basic"


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a change, and when (UTC)."""

    name: str
    email: str
    moment: datetime

    @property
    def line(self) -> bytes:
        """As a commit names a person."""
        return person(self.name, self.email)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a folder at a commit. `commit` is None for a branch that is not there."""

    commit: str | None
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


class Remote:
    """One repository. Its methods block: call them off the event loop.

    All raise `GitFailure`. `host_key` is the key that the server showed (ssh), once it was asked.
    """

    def __init__(
        self,
        network: Network,
        access: Access,
        cache: Path,
        limits: Limits | None = None,
        committer: Committer | None = None,
    ) -> None:
        self._network = network
        self._access = access
        self._cache = cache
        self._limits = limits or Limits()
        self._committer = committer or Committer()
        self.host_key = access.host_key

    def references(self) -> dict[str, str]:
        """Every branch and tag (full name, `refs/heads/main`) and the commit it names."""
        with self._conversation() as client:
            found = client.get_refs(self._path, protocol_version=1).refs
        named = {name: sha for name, sha in found.items() if name.startswith((_HEADS, _TAGS))}
        return {name.decode(errors="replace"): sha.decode() for name, sha in named.items() if sha}

    def snapshot(self, ref: str, folder: str, suffixes: tuple[str, ...]) -> Snapshot:
        """Fetch a branch (or tag, or commit id) and read the files of a folder."""

        def work(cache: ObjectCache) -> Snapshot:
            from dragoman.gitremote.trees import read_files

            commit = self._fetch(cache, ref)
            if commit is None:
                return Snapshot(None)
            tree = cache.commit(commit.encode()).tree
            return Snapshot(commit, read_files(cache.objects, tree, folder, suffixes, self._limits))

        return self._cached(work)

    def push(
        self,
        branch: str,
        expected: str | None,
        parent: str | None,
        folder: str,
        changes: Mapping[str, bytes | None],
        message: str,
        author: Author,
    ) -> str:
        """Commit changed files of a folder on `parent` and move `branch` there; its new commit.

        `expected` is where the branch must stand (None: not exist yet), else `Moved` is raised and
        nothing is changed. Without changes no commit is made, a new branch then starts at `parent`.
        """

        def work(cache: ObjectCache) -> str:
            from dragoman.gitremote.commits import build

            if parent is not None:
                self._fetch(cache, parent)
            made = build(cache, parent, folder, changes, message, author, self._committer)
            new = made.commit or parent
            if new is None or new == expected:
                return new or ""
            self._send(branch, expected, new, made.pack)
            cache.take_objects(made.objects)
            cache.remember(new.encode())
            return new

        return self._cached(work)

    def _send(self, branch: str, expected: str | None, new: str, pack: Callable[..., Any]) -> None:
        ref = _reference(branch)

        def move(old: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
            if old.get(ref, _ZERO) != (expected.encode() if expected else _ZERO):
                raise Moved
            return {ref: new.encode()}

        with self._conversation() as client:
            result = client.send_pack(self._path, move, pack)  # pyright: ignore[reportArgumentType]
        said = (result.ref_status or {}).get(ref)
        if said:
            raise forbidden(
                f"The git server did not take the commit on {branch}: {quoted(said.encode())}",
                "Is the branch protected? Then require pull requests for this model.",
            )

    def _fetch(self, cache: ObjectCache, ref: str) -> str | None:
        """Bring a commit with its tree, without its past; None when no branch has that name."""
        from dulwich.object_store import ObjectStoreGraphWalker

        if len(ref) == 40 and ref.encode() in cache.tips():
            return ref
        cache.trim()
        tips = cache.tips()
        found: list[bytes] = []

        def choose(refs: Mapping[bytes, bytes], **_: object) -> list[bytes]:
            budget.references_read()
            found.extend(_chosen(ref, refs))
            return [sha for sha in found if sha not in tips]

        walker = ObjectStoreGraphWalker(tips, lambda _: [], shallow=set(tips))
        cache.objects  # noqa: B018 - makes the folder that the pack is written to
        budget = Budget(self._limits)
        with (
            tempfile.TemporaryFile(dir=self._cache) as file,
            self._conversation(budget) as client,
        ):
            client.fetch_pack(
                self._path,
                choose,  # pyright: ignore[reportArgumentType]
                walker,
                file.write,
                depth=1,
                protocol_version=1,
            )
            if file.tell():
                cache.take_pack(file)
        if not found:
            return None
        commit = cache.commit(found[0]).id
        cache.remember(commit)
        return commit.decode()

    def _cached(self, work: Callable[[ObjectCache], T]) -> T:
        """Run with the cache; once more on an empty one when it turns out to be damaged."""
        from dragoman.gitremote.cache import ObjectCache
        from dragoman.gitremote.trees import Incomplete

        with ObjectCache(self._cache, self._limits) as cache:
            try:
                return work(cache)
            except Incomplete:
                cache.clear()
            try:
                return work(cache)
            except Incomplete:
                raise nonsense("The git server left out objects of the commit.") from None

    @contextlib.contextmanager
    def _conversation(self, budget: Budget | None = None) -> Generator[SshClient | HttpsClient]:
        """One client, its failures in words whatever dulwich makes of the server's answer."""
        from dulwich.errors import GitProtocolError, HangupException, NotGitRepository

        from dragoman.gitremote.trees import Incomplete

        client = self._client(budget or Budget(self._limits))
        try:
            with client.conversation(), client.budget.at_most(client.hang_up):
                yield client
        except (GitFailure, Moved, Incomplete):
            raise
        except NotGitRepository:
            raise missing("There is no git repository at the clone URL.") from None
        except HangupException as error:
            raise client.told(error) from None
        except GitProtocolError as error:
            raise _told(client, error) from None
        except Exception as error:
            # What dulwich makes of nonsense: assertions, key errors, broken compression.
            if client.budget.cut:
                raise client.told(error) from None
            raise nonsense("The git server's answer cannot be understood.") from error
        finally:
            self.host_key = client.seen or self.host_key

    def _client(self, budget: Budget) -> SshClient | HttpsClient:
        access = self._access
        if access.address.transport == "ssh":
            from dragoman.gitremote.ssh import SshClient

            if access.secret is None:
                raise invalid("SSH needs a deploy key.")
            return SshClient(self._network, access.address, access.secret, self.host_key, budget)
        from dragoman.gitremote.https import HttpsClient

        return HttpsClient(self._network, access.address, access.secret, access.scheme, budget)

    @property
    def _path(self) -> bytes:
        """What dulwich is asked for; the https client has the whole address already."""
        address = self._access.address
        return address.path.encode() if address.transport == "ssh" else b""


def _told(client: SshClient | HttpsClient, error: Exception) -> GitFailure:
    """dulwich wraps time-outs and closed sockets in errors of its own."""
    cause = error.__cause__
    if client.budget.cut or isinstance(cause, OSError):
        return client.told(cause if isinstance(cause, OSError) else error)
    said = client.complaint()
    if said:
        return missing(f"The git server says: {said}")
    return nonsense(f"The conversation with the git server failed: {quoted(str(error).encode())}")


def _chosen(ref: str, refs: Mapping[bytes, bytes]) -> list[bytes]:
    name = ref.encode()
    for full in (_HEADS + name, _TAGS + name, name):
        if full in refs:
            return [refs[full]]
    return [name] if len(ref) == 40 and set(ref) <= set("0123456789abcdef") else []


def _reference(branch: str) -> bytes:
    from dulwich.refs import Ref, check_ref_format

    ref = _HEADS + branch.encode()
    if not check_ref_format(Ref(ref)):
        raise invalid(f"'{branch[:80]}' cannot be the name of a git branch.")
    return ref


def person(name: str, email: str) -> bytes:
    """A person as commits name them."""
    return f"{_clean(name) or 'unknown'} <{_clean(email)}>".encode()


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c not in "<>").strip()
