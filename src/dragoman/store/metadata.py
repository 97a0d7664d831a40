"""The one MetaData that every table of the house belongs to, and its shared column types.

Times are text in the wire's form (see `clock.wire`): they sort, read the same on both engines and
cost nothing to answer. Ids are UUIDs as text. Lists and objects are JSON text.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, Row, String

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

# A row of any columns, for functions that read one by name or position.
AnyRow = Row[*tuple[Any, ...]]

Id = String(36)
Time = String(24)
