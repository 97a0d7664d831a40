"""A compiled question as a `Query` whose rows are the answer: named, calculated, totalled."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dragoman.connections.dialling import Destination
from dragoman.dialects.arrow import RecordBatch, pyarrow
from dragoman.dialects.base import Rows
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.house import House
from dragoman.queries.formatted import formatted
from dragoman.queries.planning import RAW_ROWS, Planned
from dragoman.queries.renaming import renamed
from dragoman.queries.service import Query
from dragoman.semantics.answers.ordering import ordered
from dragoman.semantics.compiler.errors import PlanError


class FieldsQuery(Query):
    """`labels`: columns are called, and values written, as people see them.

    An answer with calculations or totals is put together in memory, so its size is bounded.
    """

    def __init__(
        self, house: House, destination: Destination, planned: Planned, *, labels: bool = False
    ) -> None:
        super().__init__(house, destination, planned.sql, planned.limit, "UTC")
        self._planned = planned
        self._labels = labels

    @contextmanager
    def rows(self) -> Generator[Rows]:
        """See `Query.rows`."""
        planned = self._planned
        if planned.sorts:
            with super().rows() as rows:
                found = ordered(collected(rows, RAW_ROWS), planned.sorts)
            yield Rows(found.schema, _Given(found.to_batches()), [])
            return
        if planned.assembly is None:
            with super().rows() as rows:
                yield self._shown(rows)
            return
        most = self.house.settings.max_assembled_rows
        with super().rows() as rows:
            main = collected(Rows(*renamed(rows, planned.assembly.compiled.columns)), most)
        compiled = planned.assembly.compiled
        totals = {
            total.kind: self._beside(total.sql, total.columns, most) for total in compiled.totals
        }
        earlier = [self._beside(each.sql, compiled.columns, most) for each in compiled.earlier]
        try:
            table = planned.assembly.assemble(main, totals, earlier)
        except PlanError as problem:
            raise DatabaseFailure(
                Stage.QUERY, Cause.SETTINGS_INVALID, problem.message, fix=problem.fix
            ) from None
        whole = Rows(table.schema, _Given(table.to_batches()), [])
        shown = self._shown(whole)
        schema = shown.schema.with_metadata(table.schema.metadata)
        yield Rows(schema, shown.batches, shown.notices)

    def _shown(self, rows: Rows) -> Rows:
        columns = self._planned.columns
        named = Rows(*renamed(rows, columns, labels=self._labels))
        return formatted(named, columns) if self._labels and columns is not None else named

    def _beside(self, sql: str, columns: Any, most: int) -> Any:
        self.check()
        inner = Query(self.house, self.destination, sql, None, "UTC", self.request_id)
        with inner.rows() as rows:
            return collected(Rows(*renamed(rows, columns)), most)


def collected(rows: Rows, most: int) -> Any:
    """All rows as one Arrow table. Raises `DatabaseFailure` for more than `most`."""
    batches: list[RecordBatch] = []
    count = 0
    for batch in rows.batches:
        count += batch.num_rows
        if count > most:
            raise DatabaseFailure(
                Stage.QUERY,
                Cause.TOO_LARGE,
                f"Calculations and totals take at most {most} rows.",
                fix="Set a limit, or ask for coarser groups.",
            )
        batches.append(batch)
    return pyarrow().Table.from_batches(batches, schema=rows.schema)


class _Given:
    """Batches that are there already."""

    def __init__(self, batches: list[RecordBatch]) -> None:
        self._batches = iter(batches)

    def __iter__(self) -> _Given:
        return self

    def __next__(self) -> RecordBatch:
        return next(self._batches)

    def close(self) -> None:
        """Nothing runs."""
