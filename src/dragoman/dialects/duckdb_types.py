"""DuckDB's types that Arrow has no equal for: they become text, inside lists and structures too.

DuckDB itself gives them as other values (a UHUGEINT above 127 bits as a negative number, a time
with a zone without its zone) or as bytes that only it reads (BIT, BIGNUM, VARIANT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dragoman.dialects.sql.duckdb import FUNCTIONS

if TYPE_CHECKING:
    import duckdb

_AS_TEXT: Final = frozenset({"uhugeint", "bignum", "bit", "variant", "time with time zone"})


def readable(sql: str, answer: duckdb.DuckDBPyRelation) -> str | None:
    """The statement with those columns cast; None where it has none. `answer`: of the statement."""
    columns = [(str(kind), _readable(kind)) for kind in answer.types]
    if all(given == wanted for given, wanted in columns):
        return None
    own = [f"c{place}" for place in range(len(columns))]
    chosen = [
        f"{name if given == wanted else f'CAST({name} AS {wanted})'} AS {FUNCTIONS.name(column)}"
        for name, (given, wanted), column in zip(own, columns, answer.columns, strict=True)
    ]
    names = ", ".join(own)
    return f"SELECT {', '.join(chosen)} FROM ({sql}\n) AS dragoman ({names})"  # noqa: S608 - checked


def _readable(kind: Any) -> str:
    """The type as DuckDB writes it, with text for what is not to be read otherwise."""
    if kind.id in _AS_TEXT:
        return "VARCHAR"
    inner = dict(kind.children) if kind.id in {"list", "array", "map", "struct"} else {}
    if kind.id == "list":
        return f"{_readable(inner['child'])}[]"
    if kind.id == "array":
        return f"{_readable(inner['child'])}[{inner['size']}]"
    if kind.id == "map":
        return f"MAP({_readable(inner['key'])}, {_readable(inner['value'])})"
    if kind.id == "struct":
        fields = [f"{FUNCTIONS.name(name)} {_readable(each)}" for name, each in inner.items()]
        return f"STRUCT({', '.join(fields)})"
    return str(kind)
