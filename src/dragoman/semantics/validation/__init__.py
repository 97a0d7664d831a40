"""The check of a model: each file against the language, then the composed model as a whole."""

from __future__ import annotations

from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.problems import Problem
from dragoman.semantics.validation import fields, relationships, settings, structure, topics, views
from dragoman.semantics.validation.context import Context
from dragoman.semantics.validation.expressions import Expressions
from dragoman.semantics.validation.lookup import Lookup
from dragoman.semantics.validation.report import Report

__all__ = ["validate"]


def validate(model: ComposedModel, dialect: str | None = None) -> list[Problem]:
    """Everything that is wrong with a model, file by file, errors and warnings.

    `dialect`: a connection's dialect, in which SQL must parse; None: SQL is not parsed. What a
    layer generated is taken for right. Files that cannot be read are not here: their layer names
    them (`FilesLayer.problems`). The cost is linear in the size of the model.
    """
    model.preload()
    report = Report(model)
    structure.check(model, report)
    context = Context(model, Lookup(model), Expressions(dialect), report)
    settings.check(context)
    relationships.check(context)
    checked = views.check(context)
    views.check_cycles(checked, context)
    fields.check_cycles(checked, context)
    topics.check(context)
    return report.problems()
