"""`dragoman ask` and `dragoman explain`: a question in fields, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman.cli import local
from dragoman.cli.charts import bars, draw
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output, say, table

if TYPE_CHECKING:
    from dragoman.house import House
    from dragoman.queries.planning import Planned

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Name or id of a model or branch.")]
Fields = Annotated[
    str, typer.Option("--fields", help="Fields with commas: orders.status,orders.count")
]
Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", help="FIELD=WORDS, for example 'orders.created_at=last 30 days'."),
]
Topic = Annotated[str, typer.Option("--topic", help="Ask in this topic.")]
Sorts = Annotated[
    list[str] | None, typer.Option("--sort", help="A field; a minus before it: descending.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=0, help="At most so many rows.")]


def ask(
    model: Model,
    fields: Fields,
    filters: Filters = None,
    topic: Topic = "",
    sort: Sorts = None,
    limit: Limit = None,
    chart: Annotated[bool, typer.Option("--chart", help="Draw bars below the table.")] = False,
    chart_file: Annotated[
        Path | None,
        typer.Option("--chart-file", help="Draw a chart into this .svg or .png (extra `chart`)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask a question in fields and print the rows."""
    question = _question(fields, filters, topic, sort, limit)
    with local.house() as house:
        planned = _planned(house, model, question)
        for warning in planned.warnings:
            say(warning)
        names, found = _answer(house, planned)
    if as_json:
        Output(as_json).value([dict(zip(names, row, strict=True)) for row in found])
    else:
        table(names, found)
    if chart and not as_json:
        bars(names, found)
    if chart_file is not None:
        draw(chart_file, planned.columns or (), found)
        say(f"The chart is in {chart_file}.")


def explain(
    model: Model,
    fields: Fields,
    filters: Filters = None,
    topic: Topic = "",
    sort: Sorts = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Print the plan and the SQL of a question; nothing is run."""
    with local.house() as house:
        planned = _planned(house, model, _question(fields, filters, topic, sort, limit))
    facts = {"plan": planned.description.splitlines(), "sql": planned.sql}
    Output(as_json).value(facts, f"{planned.description}\n\n{planned.sql}")


def _question(
    fields: str, filters: list[str] | None, topic: str, sort: list[str] | None, limit: int | None
) -> dict[str, Any]:
    from dragoman.semantics.query.shorthand import filter_of

    names = [name.strip() for name in fields.split(",") if name.strip()]
    question: dict[str, Any] = {
        "fields": names,
        "join_paths_from_topic_name": topic,
        "sorts": [
            {"column_name": each.removeprefix("-"), "sort_descending": each.startswith("-")}
            for each in sort or ()
        ],
        "filters": {},
    }
    for each in filters or ():
        field, sign, words = each.partition("=")
        if not sign:
            raise CommandError(f"{each!r} is no filter.", "Write FIELD=WORDS.", Exit.USAGE)
        question["filters"][field.strip()] = filter_of(words)
    if limit is not None:
        question["limit"] = limit
    return question


def _planned(house: House, model: str, question: dict[str, Any]) -> Planned:
    from dragoman.access.principal import OPERATOR
    from dragoman.cli.lookup import find_model
    from dragoman.queries import envelope, planning
    from dragoman.semantics.compiler.errors import PlanError

    with house.store.begin(local.origin()) as unit:
        model_id = find_model(unit, model).id
        ask = envelope.read({"query": {**question, "modelId": model_id}}, {}, lenient=False)
        try:
            return planning.plan(unit, OPERATOR, ask)
        except PlanError as problem:
            raise CommandError(problem.message, problem.fix, Exit.USAGE) from None


def _answer(house: House, planned: Planned) -> tuple[list[str], list[list[Any]]]:
    from dragoman.connections import dialling
    from dragoman.queries.fields_query import FieldsQuery

    query = FieldsQuery(house, dialling.opened(house, planned.located), planned)
    with query.rows() as rows:
        names = list(rows.schema.names)
        found = [list(row.values()) for batch in rows.batches for row in batch.to_pylist()]
    return names, found
