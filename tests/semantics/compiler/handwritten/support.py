"""Statements on the shop of the compiler's tests."""

from __future__ import annotations

import functools
from typing import Any

from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.compile import Compiler
from dragoman.semantics.compiler.compiled import Compiled
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.query.request import read_query
from tests.semantics.compiler.support import asking
from tests.semantics.compiler.test_questions import SHOP


def written(
    sql: str, by: Asking | None = None, *, any_function: bool = False, **query: Any
) -> Compiled:
    asked = read_query({"fields": [], "userEditedSQL": sql, **query})
    question = _compiler().handwritten(asked, by or asking(), any_function=any_function)
    return question.compile()


@functools.cache
def _compiler() -> Compiler:
    return Compiler(ComposedModel([SHOP]))
