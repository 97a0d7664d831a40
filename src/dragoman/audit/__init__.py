"""The audit: one row for every change, written in the transaction that makes the change, and
chained by hash, so that a removal or a change of rows shows (docs/decisions/0015).

Rows say who, what, when, from where, and the values before and after. Secrets never reach a row:
callers pass settings, which have none, and names of secrets that changed.
"""

from dragoman.audit.chain import PURPOSE, Verdict, bind_old_rows, forget, verify
from dragoman.audit.rows import AuditRow, Filters, count, export, page, record

__all__ = [
    "PURPOSE",
    "AuditRow",
    "Filters",
    "Verdict",
    "bind_old_rows",
    "count",
    "export",
    "forget",
    "page",
    "record",
    "verify",
]
