"""What every check of a part of the model needs."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.validation.expressions import Expressions
from dragoman.semantics.validation.lookup import Lookup
from dragoman.semantics.validation.report import Report


@dataclass(frozen=True, slots=True)
class Context:
    """The model with its names, the parser of its SQL, and where findings go."""

    model: ComposedModel
    lookup: Lookup
    expressions: Expressions
    report: Report
