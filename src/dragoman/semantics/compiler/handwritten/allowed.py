"""What may stand in an expression of a governed statement.

The list says what may, never what may not: a function that nobody thought of (one that reads
another table, a file or a secret) is refused. Who may send the same text as plain SQL may call any.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from dragoman.semantics.compiler.errors import PlanError

if TYPE_CHECKING:
    from sqlglot import exp

_SHAPES = """
    Add Alias And Between Boolean Case Cast Column DPipe DataType DataTypeParam Distinct Div EQ
    Escape Filter GT GTE ILike Identifier If IgnoreNulls In IntDiv Interval IntervalSpan Is
    JSONExtract JSONExtractScalar JSONPath JSONPathKey JSONPathRoot JSONPathSubscript LT LTE Like
    Literal Mod Mul NEQ Neg National Not Null NullSafeEQ NullSafeNEQ Or Order Ordered Paren
    RespectNulls Star Sub TryCast Tuple Var WeekStart Where Window WindowSpec WithinGroup Xor
    AtTimeZone FromTimeZone
"""
_VALUES = """
    Abs Acos AddMonths Ascii Asin Atan Atan2 Cbrt Ceil Chr Coalesce Concat ConcatWs Contains
    ConvertTimezone Cos Cot CurrentDate CurrentDatetime CurrentTime CurrentTimestamp Date DateAdd
    DateBin DateDiff DateFromParts DateStrToDate DateSub DateTrunc Datetime DatetimeAdd DatetimeDiff
    DatetimeSub DatetimeTrunc Day DayOfMonth DayOfWeek DayOfWeekIso DayOfYear Dayname DecodeCase
    Degrees EndsWith Exp Extract Floor Greatest Hour Initcap LastDay Least Left Length Levenshtein
    Ln Localtime Localtimestamp Log Lower MD5 Minute Month Monthname MonthsBetween Nanvl Nullif Nvl2
    Pi Pow Quarter Radians RegexpExtract RegexpILike RegexpLike RegexpReplace RegexpSubstr Replace
    Reverse Right Round SHA SHA2 SafeDivide Second Sign Sin SplitPart Sqrt StartsWith StrPosition
    StrToDate StrToTime Substring SubstringIndex Tan Time TimeStrToDate TimeStrToTime TimeToStr
    TimeToUnix TimeTrunc Timestamp TimestampAdd TimestampDiff TimestampFromParts TimestampSub
    TimestampTrunc ToChar Translate Trim Trunc TsOrDsAdd TsOrDsDiff TsOrDsToDate TsOrDsToTime
    TsOrDsToTimestamp UnixToTime Upper Week WeekOfYear WidthBucket Year
"""
_AGGREGATES = """
    AnyValue ApproxDistinct ApproxQuantile ArgMax ArgMin ArrayAgg Avg Corr Count CountIf CovarPop
    CovarSamp GroupConcat LogicalAnd LogicalOr Max Median Min Mode PercentileCont PercentileDisc
    Quantile Stddev StddevPop StddevSamp Sum Variance VariancePop
"""
_WINDOWS = """
    CumeDist DenseRank FirstValue Lag LastValue Lead Ntile NthValue PercentRank Rank RowNumber
"""
ALLOWED = frozenset(f"{_SHAPES} {_VALUES} {_AGGREGATES} {_WINDOWS}".split())


@functools.cache
def _types() -> frozenset[object]:
    from sqlglot import exp

    kinds = exp.DataType
    more = (kinds.Type.BOOLEAN, kinds.Type.INTERVAL, kinds.Type.JSON, kinds.Type.JSONB)
    return frozenset(
        (*kinds.NUMERIC_TYPES, *kinds.TEXT_TYPES, *kinds.TEMPORAL_TYPES, kinds.Type.TIME, *more)
    )


def check(tree: exp.Expr, *, any_function: bool) -> None:
    """Raises `PlanError` for what has no place in a governed expression, or in any."""
    from sqlglot import exp

    for node in tree.walk():
        name = type(node).__name__
        if isinstance(node, exp.Query | exp.Table):
            raise PlanError(
                "A subquery has no place in SQL with references.",
                fix="Make it a query view of the model.",
            )
        if isinstance(node, exp.DataType) and node.this not in _types():
            raise _refused(f"The type {node.sql()[:40]}")
        if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise PlanError("* stands for no fields here.", fix="Name the fields: ${view.field}.")
        if name in ALLOWED:
            continue
        if isinstance(node, exp.Func) and any_function:
            continue
        called = isinstance(node, exp.Anonymous | exp.AnonymousAggFunc)
        raise _refused(f"{str(node.this)[:40]}()" if called else name)


def _refused(what: str) -> PlanError:
    return PlanError(
        f"{what} has no place in SQL with references.",
        fix="Put the expression into a field of the model, and refer to that.",
    )
