"""The conformance suite: one behaviour for all dialects, shown on a running database.

The tests of this project run it against engines and stand-ins of their own; `dragoman conformance`
runs it against anybody's database. What a dialect's declaration says no to must fail in the
expected way; what it does not say no to must work.
"""

from dragoman.dialects.conformance.report import Report, Result, Status
from dragoman.dialects.conformance.subject import Subject
from dragoman.dialects.conformance.suite import (
    CHECKS,
    Check,
    fingerprint,
    report_for,
    run,
)

__all__ = [
    "CHECKS",
    "Check",
    "Report",
    "Result",
    "Status",
    "Subject",
    "fingerprint",
    "report_for",
    "run",
]
