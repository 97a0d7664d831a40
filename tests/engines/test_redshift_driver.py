"""Amazon's own driver, which nobody here wrote, beside this adapter: each on a PostgreSQL.

It answers for the adapter: same values, same codes. It also shows why the adapter has another
driver (docs/dialects/redshift.md). Debian's PostgreSQL has a version that it cannot read, so it
signs in to the wheel's, through a proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from dragoman.dialects.failures import Cause, DatabaseFailure
from tests.engines.conformance import Subject, rows
from tests.engines.support.redshift import redshift_subject
from tests.engines.support.redshift_proxy import amazons_driver
from tests.support.engines import Engine

Sign = Callable[..., Any]


@pytest.fixture(scope="module")
def stand_in(postgres_tls_server: Engine) -> Subject:
    return redshift_subject(postgres_tls_server)


@pytest.fixture(scope="module")
def sign_in(postgres_server: Engine, start_engine: Callable[..., Any]) -> Sign:
    """Opens a connection of the driver."""
    return start_engine("redshift_connector", lambda: amazons_driver(postgres_server))


VALUES = [
    "1::int2",
    "-2147483648",
    "9223372036854775807",
    "1.5::float4",
    "0.1::float8",
    "1.50::numeric(10,2)",
    "-99999999999999999999999999999999999999::numeric(38,0)",
    "true",
    "'é😀'::varchar(9)",
    "date '2024-02-29'",
    "time '10:11:12.5'",
    "timestamp '2024-02-29 10:00:00.000001'",
    "timestamptz '2024-10-27 01:30+00'",
    "null::int4",
    "null::timestamptz",
]


@pytest.mark.parametrize("sql", VALUES)
def test_the_driver_and_the_adapter_read_the_same_value(
    stand_in: Subject, sign_in: Sign, sql: str
) -> None:
    with sign_in() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql} AS v")
        ((theirs,),) = cursor.fetchall()
    with stand_in.session() as session:
        assert rows(session, f"SELECT {sql} AS v") == [{"v": theirs}]


FAILURES = [
    ("SELECT * FROM nowhere", Cause.OBJECT_NOT_FOUND),
    ("SELECT FROM WHERE", Cause.SYNTAX_ERROR),
    ("SELECT nothing FROM (SELECT 1 AS a) AS t", Cause.OBJECT_NOT_FOUND),
    ("SELECT 1 / 0", Cause.OTHER),
]


@pytest.mark.parametrize(("sql", "cause"), FAILURES)
def test_the_driver_and_the_adapter_are_told_the_same_code(
    stand_in: Subject, sign_in: Sign, sql: str, cause: Cause
) -> None:
    with sign_in() as connection, pytest.raises(Exception) as theirs:  # noqa: PT011 - its own class
        connection.cursor().execute(sql)
    with stand_in.session() as session, pytest.raises(DatabaseFailure) as ours:
        rows(session, sql)
    assert ours.value.code == theirs.value.args[0]["C"]
    assert ours.value.cause is cause


SIGN_INS = [
    ({"password": "wrong"}, Cause.AUTHENTICATION_FAILED),
    ({"database": "nowhere"}, Cause.DATABASE_NOT_FOUND),
]


@pytest.mark.parametrize(("changes", "cause"), SIGN_INS)
def test_the_driver_and_the_adapter_are_turned_away_alike(
    stand_in: Subject, sign_in: Sign, changes: dict[str, str], cause: Cause
) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - the driver's own class
        sign_in(**changes)
    with pytest.raises(DatabaseFailure) as ours:
        stand_in.with_settings(**changes).connect()
    assert ours.value.cause is cause
    assert theirs.value.args[0]["M"] in ours.value.message


def test_the_driver_holds_the_whole_answer_before_its_first_row(
    stand_in: Subject, sign_in: Sign, postgres_server: Engine
) -> None:
    """All rows come though the server's session has ended: so it cannot stream."""
    connection = sign_in()
    cursor = connection.cursor()
    cursor.execute("SELECT pg_backend_pid()")
    ((pid,),) = cursor.fetchall()
    cursor.execute(f"SELECT n FROM {stand_in.numbers(50_000)}")
    with psycopg.connect(postgres_server.url("postgresql"), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    assert len(cursor.fetchall()) == 50_000


def test_the_driver_has_no_way_to_stop_a_statement(sign_in: Sign) -> None:
    with sign_in() as connection, connection.cursor() as cursor:
        names = {*dir(connection), *dir(cursor)}
    assert not {name for name in names if "cancel" in name or "interrupt" in name}
