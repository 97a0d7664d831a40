"""The entry: the tree of commands, the global option `--home`, and how errors end a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dragoman import __version__
from dragoman.cli import (
    apply,
    ask,
    audits,
    conformance,
    connect,
    connections,
    demo,
    dialects,
    doctor,
    keys,
    migrate,
    modeling,
    models,
    providers,
    query,
    roles,
    serve,
    showing,
    tokens,
    users,
)
from dragoman.cli.exits import explain
from dragoman.cli.output import say


class Root(TyperGroup):
    """Ends a foreseen error with its lines on stderr and its exit code; never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            explained = explain(error)
            if explained is None:
                raise
            code, lines = explained
            for line in lines:
                say(line)
            raise typer.Exit(code) from error


app = typer.Typer(
    cls=Root,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"dragoman {__version__}")
        raise typer.Exit


@app.callback()
def root(
    home: Annotated[
        Path | None,
        typer.Option(help="Home directory (also DRAGOMAN_HOME): store, key file.", metavar="DIR"),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An open, self-hosted analytics server for 18 SQL dialects and DuckDB."""
    del version
    if home is not None:
        # The environment, so that server workers and child processes see the same home.
        os.environ["DRAGOMAN_HOME"] = str(home.expanduser().absolute())


app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("migrate")(migrate.migrate)
app.command("connect")(connect.connect)
app.command("query")(query.query)
app.command("ask")(ask.ask)
app.command("explain")(ask.explain)
app.command("dialects")(dialects.dialects)
app.command("conformance")(conformance.conformance)
app.command("doctor")(doctor.doctor)
app.command("config")(showing.config)
app.command("openapi")(showing.openapi)
app.command("schema")(modeling.schema)
for name, group in (
    ("token", tokens.group),
    ("user", users.group),
    ("role", roles.group),
    ("provider", providers.group),
    ("connections", connections.group),
    ("models", modeling.group),
    ("keys", keys.group),
    ("audit", audits.group),
):
    app.add_typer(group, name=name)
connections.group.command("apply")(apply.apply)
connections.group.command("export")(apply.export)
modeling.group.command("list")(models.list_models)
modeling.group.command("pull")(models.pull)
modeling.group.command("push")(models.push)
modeling.group.command("diff")(models.diff)


def main() -> None:
    """The console script `dragoman`."""
    # A reader that goes away (`| head`) ends the command quietly.
    sys.stdout.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    app(prog_name="dragoman")
