"""How each database writes what a question needs: a table of functions for each dialect.

`table(name)` gives a dialect's own. Transpiling alone is known to give wrong SQL for several of
our dialects, so nothing here goes through a transpiler.
"""

from __future__ import annotations

import functools
from importlib import import_module

from dragoman.dialects.sql.functions import SqlFunctions

__all__ = ["SqlFunctions", "table"]

# Dialects whose SQL is another's.
_SAME_AS = {
    "databricks_lakebase": "postgres",
    "motherduck": "duckdb",
    "athena": "trino",
    "fabric": "mssql",
}


@functools.cache
def table(dialect: str) -> SqlFunctions:
    """The function table of a dialect, by its wire name. Raises `ModuleNotFoundError`."""
    module = import_module(f"{__name__}.{_SAME_AS.get(dialect, dialect)}")
    return module.FUNCTIONS
