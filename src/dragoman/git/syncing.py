"""Sync of a model, or a branch of it, with its git branch: fetch, plan, push, save, note.

Runs on a thread of its own. The order makes a stop at any point harmless: a push that was not noted
is found at the next sync as the same change on both sides, which is none. Nothing is written where
something collides, and a file that changed meanwhile on either side starts the sync anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import update

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.git import plan, records, state, texts
from dragoman.git.plan import Plan, Was
from dragoman.git.records import SIGNING, Configuration
from dragoman.git.state import State
from dragoman.git.tables import model_git
from dragoman.gitremote import Author, Committer, Moved, Remote, Snapshot, access_to
from dragoman.gitremote.failures import missing
from dragoman.identity import service as identity
from dragoman.models import service as models
from dragoman.models.service import Model
from dragoman.secret import SecretStr
from dragoman.store import UnitOfWork
from dragoman.vault import VaultError, shelf

if TYPE_CHECKING:
    from dragoman.house import House

T = TypeVar("T")
ATTEMPTS = 4
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a sync reads and writes: a request's units of work, or a job's fenced ones."""

    house: House
    read: Callable[[Callable[[UnitOfWork], Any]], Any]
    write: Callable[[Callable[[UnitOfWork], Any]], Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`did_sync`: whether a side was changed. `in_sync`: whether both are the same now."""

    did_sync: bool
    in_sync: bool
    git_sha: str | None
    message: str
    conflicts: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Line:
    """One branch to sync. `start`: the commit that a new git branch begins at. `push`: whether
    the model's changes may go there directly."""

    model: Model
    git_branch: str
    push: bool
    start: str | None = None


class _Changed(Exception):
    """A side changed while the sync was under way."""


class Syncing:
    """A sync of one configuration, by one principal."""

    def __init__(self, desk: Desk, principal: Principal, configuration: Configuration) -> None:
        self._desk = desk
        self._principal = principal
        self._configuration = configuration
        self._author, sealed = desk.read(self._identify)
        self._remote = open_remote(desk.house, configuration, sealed)

    @property
    def remote(self) -> Remote:
        """The repository."""
        return self._remote

    def _identify(self, unit: UnitOfWork) -> tuple[Author, Mapping[str, str]]:
        user = identity.user_of(unit, self._principal.user_id)
        name = (user.name or user.email) if user else self._principal.name
        email = user.email if user else "dragoman@localhost"
        sealed = shelf.kept(unit, records.RESOURCE, self._configuration.model_id)
        return Author(name, email, unit.moment), sealed

    def run(self, line: Line, message: str) -> Outcome:
        """Sync one line. Raises `GitFailure`."""
        for _ in range(ATTEMPTS):
            try:
                outcome = self._attempt(line, message)
            except (Moved, _Changed):
                continue
            finally:
                self._pin()
            return outcome
        return Outcome(
            False, False, None, "The branch changes faster than it can be synced; try again."
        )

    def _attempt(self, line: Line, message: str) -> Outcome:
        was, ours = self._desk.read(lambda unit: _ours(unit, line.model))
        there = self._snapshot(line.git_branch)
        base = there
        if there.commit is None and line.start is None:
            self._expect_empty(line.git_branch)
        if there.commit is None and line.start is not None:
            base = self._snapshot(line.start)
        noted = was.rows
        theirs, bad = texts.from_git(base.files)
        theirs = self._desk.read(lambda unit: _own(unit, line.model, was.files, theirs))
        if was.commit is None and line.model.is_branch:
            was = self._desk.read(lambda unit: _first(unit, line.model, theirs))
        made = plan.make(was.files, ours, theirs, _merge, follow=self._follows(line))
        inherited: set[str] = set()
        if line.model.is_branch:
            inherited = self._desk.read(lambda unit: _inherited(unit, line.model, made, was))
            for path in inherited:
                del made.push[path]
        bad += made.conflicts or texts.mistakes(made.pull)
        if bad:
            return _stuck(there.commit, bad)
        new = self._push(line, there, base, texts.to_git(made.push, theirs), message)
        commit = new or base.commit
        if commit is None:
            return _nothing(made)
        held = inherited if new is not None else {*inherited, *made.push}
        now = _common(was, ours, theirs, made, held)
        self._desk.write(lambda unit: self._save(unit, line, made, ours, (commit, noted, now)))
        return _done(made, commit, pushed=new is not None and new != there.commit, held=new is None)

    def files_at(self, ref: str) -> dict[str, str] | None:
        """The model's files, by key, at a branch, tag or commit id of the repository; None where it
        has none of that name. Raises `GitFailure`, `BadRequest` for files that cannot be read."""
        try:
            there = self._snapshot(ref)
        finally:
            self._pin()
        if there.commit is None:
            return None
        theirs, bad = texts.from_git(there.files)
        found = {key: file.text for key, file in theirs.items() if file.text is not None}
        bad += texts.mistakes(found)
        if bad:
            raise BadRequest(f"Bad Request: the files at {ref[:80]} cannot be read. {_told(bad)}")
        return found

    def _follows(self, line: Line) -> bool:
        return self._configuration.git_follower and not line.model.is_branch

    def _expect_empty(self, git_branch: str) -> None:
        """The first commit may be ours; another beginning beside what is there may not."""
        if self._remote.references():
            raise missing(
                f"The repository has no branch {git_branch}.",
                "Set baseBranch to the branch that pull requests go to.",
            )

    def _snapshot(self, ref: str) -> Snapshot:
        return self._remote.snapshot(ref, self._configuration.folder, texts.SUFFIXES)

    def _push(
        self,
        line: Line,
        there: Snapshot,
        base: Snapshot,
        changes: Mapping[str, bytes | None],
        message: str,
    ) -> str | None:
        """The commit at which the git branch stands then; None where it must be left alone."""
        if changes and not line.push:
            return None
        starts = there.commit is None and line.model.is_branch
        if not changes and not starts:
            return there.commit
        return self._remote.push(
            line.git_branch,
            there.commit,
            base.commit,
            self._configuration.folder,
            changes,
            message,
            self._author,
        )

    def _save(
        self,
        unit: UnitOfWork,
        line: Line,
        made: Plan,
        ours: Mapping[str, str],
        noted: tuple[str, Mapping[str, Was | None], Mapping[str, Was | None]],
    ) -> None:
        commit, before, now = noted
        model = models.lock(unit, line.model.id)
        current = models.files(unit, model.id)
        if any(current.get(path) != ours.get(path) for path in {*made.pull, *made.push}):
            raise _Changed
        if made.pull:
            said = f"Sync from git, {line.git_branch} {commit[:8]}"
            models.save(unit, self._principal, model, models.Save(made.pull, said))
        state.note(unit, model.id, line.git_branch, commit, before, now)
        if made.pull or made.push:
            after = {
                "branch": line.git_branch,
                "commit": commit,
                "fromGit": sorted(made.pull)[:100],
                "toGit": sorted(made.push)[:100] if line.push else [],
            }
            audit.record(unit, self._principal, "git.sync", ("model", model.id), after=after)

    def _pin(self) -> None:
        """Trust the first host key from now on."""
        seen = self._remote.host_key
        if seen is None or self._configuration.host_key is not None:
            return
        mine = (model_git.c.model_id == self._configuration.model_id) & (
            model_git.c.host_key.is_(None)
        )
        self._desk.write(
            lambda unit: unit.db.execute(update(model_git).where(mine).values(host_key=seen))
        )
        self._configuration = replace(self._configuration, host_key=seen)


def open_remote(house: House, found: Configuration, sealed: Mapping[str, str]) -> Remote:
    """The repository of a configuration. Opens secrets, and asks GitHub for a token where an App is
    used: call it off the event loop.

    Raises `BadRequest` when a secret does not open, `GitFailure`.
    """

    def opened(name: str) -> SecretStr:
        try:
            return house.vault.open(sealed[name], found.context(name))
        except (KeyError, VaultError):
            raise BadRequest(
                f"Bad Request: the stored {name} does not open",
                extra={"fix": "Send it again, or bring back the key it was sealed with."},
            ) from None

    key = opened(SIGNING) if found.signing_key is not None else None
    usual = Committer()
    who = Committer(found.committer_name or usual.name, found.committer_email or usual.email, key)
    access = access_to(
        house.network,
        found.address,
        found.provider,
        opened(found.secret_name),
        found.host_key,
        found.installation,
        write=True,
    )
    cache = house.settings.home / "git" / found.model_id
    return Remote(house.network, access, cache, committer=who)


def _ours(unit: UnitOfWork, model: Model) -> tuple[State, dict[str, str]]:
    return state.load(unit, model.id), models.files(unit, model.id)


def _own(
    unit: UnitOfWork, model: Model, was: Mapping[str, Was], theirs: dict[str, plan.Theirs]
) -> dict[str, plan.Theirs]:
    """Git's files without what the schema layer says already: repositories that others wrote hold
    every column. One that is as it was is not looked at."""
    changed = {
        path: file.text
        for path, file in theirs.items()
        if file.text is not None and (path not in was or was[path].blob != file.blob)
    }
    own = models.own_texts(unit, model, changed)
    return {path: replace(file, text=own.get(path, file.text)) for path, file in theirs.items()}


def _first(unit: UnitOfWork, branch: Model, theirs: Mapping[str, plan.Theirs]) -> State:
    """What a branch that was never synced has in common with its git branch.

    That is what its model had at its last sync; of a git branch that began earlier, what the model
    had then: a file with a text that the model once had was not changed on that branch.
    """
    base = models.base_of(unit, branch)
    files = dict(state.load(unit, base.id).files)
    differing = {
        path: file.text
        for path, file in theirs.items()
        if file.text is not None and path in files and files[path].blob != file.blob
    }
    for path in models.texts_there_were(unit, base.id, differing):
        files[path] = Was(theirs[path].blob, files[path].text)
    return State(None, files)


def _inherited(unit: UnitOfWork, branch: Model, made: Plan, was: State) -> set[str]:
    """What would be pushed only because the branch's model has moved on. A git branch gets that
    from its base branch, when somebody merges the two."""
    own = models.changed(unit, branch)
    others = [path for path in made.push if path not in own and path not in made.pull]
    known = {path: was.files[path].text for path in others if path in was.files}
    before = {path: text for path, text in known.items() if text is not None}
    moved = models.texts_there_were(unit, models.base_of(unit, branch).id, before)
    # With another text it was the branch's own, and was taken back.
    return {path for path in others if path in moved or path not in {*before, *was.gone}}


def _merge(
    path: str, was: str | None, ours: str | None, theirs: str | None
) -> tuple[str | None, list[str]]:
    try:
        merged = models.merge(path, was, ours, theirs)
    except (ValueError, BadRequest) as error:
        return None, [f"{path}: {error}"]
    return merged.text, [_collision(each) for each in merged.conflicts]


def _collision(conflict: models.Conflict) -> str:
    what = ".".join(conflict.path)
    if not what:
        return f"{conflict.file}: deleted on one side, changed on the other"
    return f"{conflict.file}: {what} was changed on both sides"


def _common(
    was: State,
    ours: Mapping[str, str],
    theirs: Mapping[str, plan.Theirs],
    made: Plan,
    held: set[str],
) -> dict[str, Was | None]:
    """What both sides have after the sync. What was held back stays as it was."""
    now: dict[str, Was | None] = dict.fromkeys(was.gone)
    for path in {*ours, *theirs, *was.files}:
        if path in held:
            if path in was.files:
                now[path] = was.files[path]
            continue
        text = made.pull[path] if path in made.pull else ours.get(path)
        if path in made.push:
            sent = made.push[path]
            blob = None if sent is None else state.blob_id(sent.encode())
        else:
            blob = theirs[path].blob if path in theirs else None
        now[path] = Was(blob, text) if blob is not None else None
    return now


def _nothing(made: Plan) -> Outcome:
    if made.push:
        return _held(made, did=False, commit=None)
    return Outcome(False, True, None, "There is nothing to sync yet.")


def _held(made: Plan, *, did: bool, commit: str | None) -> Outcome:
    names = ", ".join(sorted(made.push)[:_SHOWN])
    told = f"The base branch is changed by pull request only; not committed: {names}"
    return Outcome(did, False, commit, told)


def _stuck(commit: str | None, bad: list[str]) -> Outcome:
    return Outcome(False, False, commit, f"Nothing was changed. {_told(bad)}", bad)


def _told(bad: list[str]) -> str:
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return "; ".join(bad[:_SHOWN]) + more


def _done(made: Plan, commit: str, *, pushed: bool, held: bool) -> Outcome:
    did = bool(made.pull) or pushed
    if held:
        return _held(made, did=did, commit=commit)
    parts = [
        f"{len(files)} file{'s' if len(files) != 1 else ''} {way} git"
        for files, way in ((made.pull, "from"), (made.push, "to"))
        if files
    ]
    return Outcome(did, True, commit, f"In sync: {', '.join(parts) or 'nothing differed'}.")
