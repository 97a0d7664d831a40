"""`dragoman models list`, `pull`, `push` and `diff`: models as code."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman.cli import local
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output, say, shown

if TYPE_CHECKING:
    from dragoman.models.mirror import Folder, Plan
    from dragoman.models.service import Model
    from dragoman.store import UnitOfWork

Dir = Annotated[Path, typer.Argument(metavar="DIR", help="The folder.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="MODEL", help="Name or id; else the folder's, or the only one."
    ),
]
Branch = Annotated[str | None, typer.Option("--branch", metavar="NAME", help="A branch of it.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what the other side changed.")]


def list_models(
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List models and branches."""
    from dragoman.access.principal import OPERATOR
    from dragoman.models import listing

    wanted = listing.ListFilter(include_deleted=deleted, size=10_000, sort_field="name")
    with local.work() as unit:
        found = listing.page(unit, OPERATOR, wanted).models
    columns = ("id", "name", "kind", "version", "base_model_id", "updated_at")
    Output(as_json).rows(found[::-1], columns, empty="No models yet: `dragoman connect`.")


def pull(
    directory: Dir,
    model: ModelName = None,
    branch: Branch = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a model's files into a folder; what you changed there stays, or is merged."""
    from dragoman.models import mirror

    folder = mirror.Folder(directory)
    with local.work() as unit, _reading(directory):
        found = _find(unit, folder, model, branch)
        plan = mirror.pull_plan(unit, found, folder, force=force)
        before = folder.texts()
        _refuse(plan, "changed here and in the model", "Solve them, or pull with --force.")
        for key, text in plan.changes.items():
            folder.write(key, text)
        folder.write_schemas()
        folder.note(found, found.version, mirror.model_texts(unit, found))
    _report(as_json, found, found.version, mirror.signs(before, plan.changes), "The folder")


def push(
    directory: Dir,
    model: ModelName = None,
    branch: Branch = None,
    message: Annotated[str, typer.Option("--message", "-m", help="What the version is for.")] = "",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Save a folder's files in a model, as one version; a branch that is missing is made."""
    from dragoman.access.principal import OPERATOR
    from dragoman.api.errors import BadRequest
    from dragoman.models import access, mirror, saving

    folder = mirror.Folder(directory)
    with local.work() as unit, _reading(directory):
        found = _find(unit, folder, model, branch, make=True)
        found = access.editable(unit, OPERATOR, found.id, None, message)
        plan = mirror.push_plan(unit, found, folder, force=force)
        before = mirror.model_texts(unit, found)
        _refuse(plan, "changed in the model since", "Pull first, or push with --force.")
        try:
            version = saving.save(unit, OPERATOR, found, saving.Save(plan.changes, message))
        except BadRequest:
            folder.check(key for key, text in plan.changes.items() if text is not None)
            raise
        folder.note(found, version, mirror.model_texts(unit, found))
    _report(as_json, found, version, mirror.signs(before, plan.changes), "The model")


def diff(
    directory: Dir, model: ModelName = None, branch: Branch = None, as_json: Json = False
) -> None:
    """Show what a push would change; exit code 3 when there is anything."""
    from dragoman.models import mirror

    folder = mirror.Folder(directory)
    with local.work() as unit, _reading(directory):
        found = _find(unit, folder, model, branch)
        plan = mirror.difference(unit, found, folder)
        before = mirror.model_texts(unit, found)
    signs = mirror.signs(before, plan.changes)
    if as_json:
        Output(as_json).value(_told(found, found.version, signs))
    else:
        for key, text in plan.changes.items():
            _print_difference(key, before.get(key, ""), text or "")
    if signs:
        raise typer.Exit(Exit.WOULD_CHANGE)
    say("No difference.")


def _print_difference(key: str, before: str, after: str) -> None:
    import difflib

    names = (f"model/{key}", f"folder/{key}")
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm=""))
    if not lines:
        lines = [f"--- {names[0]}", f"+++ {names[1]}", "Only the ends of lines differ."]
    for line in lines:
        print(shown(line))


@contextlib.contextmanager
def _reading(folder: Path) -> Generator[None]:
    """What is wrong with the folder ends the command with a line."""
    try:
        yield
    except ValueError as wrong:
        raise CommandError(f"{folder}: {wrong}", code=Exit.REFUSED) from None


def _refuse(plan: Plan, what: str, fix: str) -> None:
    if plan.conflicts:
        names = ", ".join(plan.conflicts)
        raise CommandError(f"{len(plan.conflicts)} files {what}: {names}", fix, Exit.REFUSED)


def _find(
    unit: UnitOfWork, folder: Folder, name: str | None, branch: str | None, *, make: bool = False
) -> Model:
    """The model that is named, that the folder is of, or that is the only shared one."""
    from dragoman.access.principal import OPERATOR
    from dragoman.api.errors import NotFound
    from dragoman.models import branches, creation
    from dragoman.models.records import Kind

    found = _named(unit, folder, name)
    if branch is None:
        return found
    base = branches.base_of(unit, found) if found.is_branch else found
    try:
        return branches.find(unit, base, branch)
    except NotFound:
        if not make:
            fix = "`dragoman models list` shows those there are."
            raise CommandError(f"No branch is called {branch}.", fix, Exit.NOT_FOUND) from None
    wanted = creation.NewModel(base.connection_id, Kind.BRANCH, branch, base.id)
    return creation.create(unit, OPERATOR, wanted)


def _named(unit: UnitOfWork, folder: Folder, name: str | None) -> Model:
    from dragoman.access.principal import OPERATOR
    from dragoman.models import listing
    from dragoman.models.records import Kind

    models = listing.page(unit, OPERATOR, listing.ListFilter(size=10_000)).models
    own = [m for m in models if m.kind is not Kind.SCHEMA]
    if name is None:
        state = folder.state()
        found = [m for m in own if state is not None and m.id == state.model_id]
        found = found or [m for m in own if m.kind is Kind.SHARED]
    else:
        found = [m for m in own if m.id == name.lower()]
        found = found or [m for m in own if m.name == name and not m.is_branch]
    if len(found) == 1:
        return found[0]
    fix = "Name one with --model; `dragoman models list` shows those there are."
    what = f"{len(found)} models could be meant." if found else "No such model."
    raise CommandError(what, fix, Exit.USAGE if found else Exit.NOT_FOUND)


def _report(
    as_json: bool, model: Model, version: int, signs: list[tuple[str, str]], side: str
) -> None:
    if as_json:
        Output(as_json).value(_told(model, version, signs))
        return
    for sign, key in signs:
        print(f"{sign} {shown(key)}")
    what = f"{len(signs)} files changed" if signs else "nothing to change"
    say(f"{side}: {what}; {model.name or model.id} is at version {version}.")


def _told(model: Model, version: int, signs: list[tuple[str, str]]) -> dict[str, Any]:
    actions = {"A": "added", "M": "changed", "D": "deleted"}
    return {
        "modelId": model.id,
        "name": model.name,
        "version": version,
        "changes": [{"action": actions[sign], "file": key} for sign, key in signs],
    }
