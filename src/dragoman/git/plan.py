"""What a sync comes to: per file, what goes to git, what comes from it, and what collides.

Pure. A file has three sides: what both had at the last sync, what the model has now, and what git
has now. Both are compared with the first; nothing that only one side changed is ever overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# The merged text, or None with what collides: (path, base, ours, theirs) -> (text, conflicts)
Merge = Callable[[str, str | None, str | None, str | None], tuple[str | None, list[str]]]


@dataclass(frozen=True, slots=True)
class Was:
    """A file at the last sync: git's blob, and the model's own text (None: it had none)."""

    blob: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Theirs:
    """A file in git now. `text` is what it says in the model's own layer (None: nothing that the
    layers below do not say), `path` its name there, below the model's folder."""

    blob: str
    text: str | None
    path: str


@dataclass
class Plan:
    """`pull`: new text of each file of the model (None: delete). `push`: the model's own text of
    each file that git gets (None: delete). `conflicts`: a sentence each."""

    pull: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    push: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    conflicts: list[str] = field(default_factory=list[str])

    @property
    def is_empty(self) -> bool:
        """Whether both sides are the same."""
        return not (self.pull or self.push or self.conflicts)


def make(
    was: Mapping[str, Was],
    ours: Mapping[str, str],
    theirs: Mapping[str, Theirs],
    merge: Merge,
    *,
    follow: bool = False,
) -> Plan:
    """The plan for all files. `follow`: git's side stands, whatever the model has."""
    plan = Plan()
    for path in sorted({*was, *ours, *theirs}):
        _file(plan, path, was.get(path), ours.get(path), theirs.get(path), merge, follow)
    return plan


def _file(
    plan: Plan,
    path: str,
    was: Was | None,
    ours: str | None,
    theirs: Theirs | None,
    merge: Merge,
    follow: bool,
) -> None:
    now = theirs.text if theirs is not None else None
    we_changed = ours != (was.text if was is not None else None)
    they_changed = (theirs.blob if theirs is not None else None) != (
        was.blob if was is not None else None
    )
    if follow:
        # Unchanged there: our own text stands for it, as it was.
        wanted = now if they_changed or was is None else was.text
        if ours != wanted:
            plan.pull[path] = wanted
        return
    if not we_changed and not they_changed:
        return
    if we_changed and they_changed:
        _both(plan, path, was, ours, now, merge)
    elif we_changed:
        plan.push[path] = ours
    elif ours != now:
        plan.pull[path] = now


def _both(
    plan: Plan, path: str, was: Was | None, ours: str | None, now: str | None, merge: Merge
) -> None:
    if ours == now:
        return
    text, conflicts = merge(path, was.text if was is not None else None, ours, now)
    if conflicts:
        plan.conflicts += conflicts
        return
    if text != ours:
        plan.pull[path] = text
    if text != now:
        plan.push[path] = text
