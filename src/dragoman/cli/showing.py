"""`dragoman config` and `dragoman openapi`: what is in force, and what the API is."""

from __future__ import annotations

from dragoman.cli import local
from dragoman.cli.output import Json, Output


def config(as_json: Json = False) -> None:
    """Show every setting: variable, value in force (secrets masked), default, what it does."""
    from dragoman.settings import describe

    columns = ("name", "variable", "value", "default", "help")
    Output(as_json).rows(describe(local.settings()), columns)


def openapi(as_json: Json = False) -> None:
    """Print the OpenAPI document, as JSON in either case."""
    del as_json
    from dragoman.api.openapi import document
    from dragoman.app import routes

    Output(as_json=True).value(document(routes()))
