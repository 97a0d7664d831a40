"""`dragoman schema`, `dragoman models validate`: model files on this machine, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output, say

if TYPE_CHECKING:
    from dragoman.semantics.layers import Layer
    from dragoman.semantics.problems import Problem

_UNKNOWN = ("unknown_field", "unknown_view")

group = typer.Typer(
    no_args_is_help=True, help="Models: check a folder, list, mirror to a folder and back."
)


def schema(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="model, relationships, view, query_view, topic or composite_topic.",
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Write all of them into DIR/.dragoman/, for editors.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of a kind of model file, as JSON in either case."""
    del as_json
    from dragoman.semantics.files.folders import schema_files
    from dragoman.semantics.files.paths import FileKind
    from dragoman.semantics.schema import document

    if write is not None:
        for name, text in schema_files():
            target = write / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
        say(f"The schemas are in {write / '.dragoman'}.")
        return
    kinds = [one.value for one in FileKind]
    if kind not in kinds:
        raise CommandError(
            f"No kind of file {kind or ''!r}", f"One of {', '.join(kinds)}.", Exit.USAGE
        )
    Output(as_json=True).value(document(FileKind(kind)))


@group.command("validate")
def validate(
    folder: Annotated[Path, typer.Argument(help="The folder with the model's files.")],
    dialect: Annotated[
        str | None,
        typer.Option(
            help="Parse SQL in this dialect (`dragoman dialects`); without it not at all."
        ),
    ] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(
            help="The schema layer below the files: a folder, or the JSON of "
            "GET /v1/models/{id}/yaml for the schema model.",
            metavar="PATH",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a folder of model files; exit code 1 if there is an error. Needs no server."""
    problems = _problems(folder, dialect, catalog)
    rows = _rows(folder, problems)
    if as_json:
        Output(as_json=True).value(rows)
    else:
        _show(problems, rows)
        if catalog is None and any(problem.code in _UNKNOWN for problem in problems):
            say("Columns that the files do not name are unknown without --catalog.")
    errors = sum(not problem.is_warning for problem in problems)
    if errors:
        raise typer.Exit(Exit.FAILED)


def _problems(folder: Path, dialect: str | None, catalog: Path | None) -> list[Problem]:
    from dragoman.dialects import registry
    from dragoman.semantics.composition import ComposedModel
    from dragoman.semantics.files import FolderLayer
    from dragoman.semantics.validation import validate as check

    if dialect is not None and dialect not in registry.names():
        raise CommandError(f"No dialect {dialect!r}", "`dragoman dialects` lists them.", Exit.USAGE)
    below = _schema_layer(catalog) if catalog is not None else None
    names = frozenset(below.view_names()) if below is not None else frozenset[str]()
    layer = FolderLayer(folder, knows=names.__contains__)
    if not any(True for _ in layer.files()):
        raise CommandError(f"No model files in {folder}", "They end in .view.yaml, .topic.yaml, ….")
    model = ComposedModel([*([below] if below is not None else []), layer])
    return [*layer.problems(), *check(model, dialect)]


def _schema_layer(catalog: Path) -> Layer:
    import json

    from dragoman.semantics.files.layer import GeneratedLayer, folder_files

    if catalog.is_dir():
        return GeneratedLayer(folder_files(catalog))
    try:
        files = json.loads(catalog.read_bytes())["files"]
        return GeneratedLayer({str(key): str(text) for key, text in files.items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fix = 'It must be JSON with {"files": {"public/users.view": "…"}}.'
        raise CommandError(f"{catalog} is no schema model", fix) from error


def _show(problems: list[Problem], rows: list[dict[str, Any]]) -> None:
    Output(as_json=False).rows(rows, ("severity", "place", "message", "fix"))
    errors = sum(not problem.is_warning for problem in problems)
    warnings = len(problems) - errors
    say(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _rows(folder: Path, problems: list[Problem]) -> list[dict[str, Any]]:
    """The findings by file and line; `place` is the file on disk, as editors and CI open it."""
    from dragoman.semantics.files import parse_path
    from dragoman.semantics.files.layer import model_files

    paths = {parse_path(name).key: str(path) for name, path in model_files(folder)}
    ordered = sorted(problems, key=lambda p: (p.file or "", p.line or 0, p.column or 0))
    return [_row(problem, paths.get(problem.file or "", problem.file)) for problem in ordered]


def _row(problem: Problem, path: str | None) -> dict[str, Any]:
    place = ":".join(str(p) for p in (path, problem.line, problem.column) if p is not None)
    return {
        "severity": problem.severity.value,
        "place": place,
        "message": problem.message,
        "fix": problem.fix,
        "code": problem.code,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "yaml_path": list(problem.yaml_path),
        "view": problem.view,
        "field": problem.field,
        "topic": problem.topic,
    }
