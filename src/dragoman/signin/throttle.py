"""Failed sign-ins of one account, from anywhere: each further one costs more waiting.

An attempt is counted before its password is looked at, so that attempts at the same moment do not
share one place; a success wipes the count. An address that nobody has is counted alike. The price:
whoever knows an address can make its owner wait, a quarter of an hour at most, or have them need a
link after `MOST` failures in a row (NIST SP 800-63B-4, section 3.2.2).
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select, update

from dragoman import clock
from dragoman.api.errors import TooManyRequests
from dragoman.signin.tables import failures
from dragoman.store import UnitOfWork

FREE = 5
MOST = 100
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(days=1)
LOCKED_FOR = timedelta(days=30)


def attempt(unit: UnitOfWork, email: str) -> None:
    """Count an attempt. Raises `TooManyRequests` when it comes too early after the ones before."""
    table, account = failures, _account(email)
    row = unit.db.execute(
        select(table.c.count, table.c.last_at).where(table.c.account == account)
    ).first()
    if row is None:
        unit.db.execute(insert(table).values(account=account, count=1, last_at=unit.now))
        return
    count, last = int(row[0]), clock.parse(row[1])
    if unit.moment - last > FORGOTTEN_AFTER and count < MOST:
        count = 0
    left = _wait(count) - (unit.moment - last)
    if left > timedelta():
        raise _refusal(count, left)
    changed = update(table).where(table.c.account == account)
    unit.db.execute(changed.values(count=count + 1, last_at=unit.now))


def clear(unit: UnitOfWork, email: str) -> None:
    """Forget the failures of an account: somebody signed in, or a link was used."""
    unit.db.execute(delete(failures).where(failures.c.account == _account(email)))


def forget(unit: UnitOfWork) -> None:
    """Delete the counts that are too old to matter."""
    old = _before(unit.moment - FORGOTTEN_AFTER) & (failures.c.count < MOST)
    unit.db.execute(delete(failures).where(old | _before(unit.moment - LOCKED_FOR)))


def _before(moment: datetime) -> ColumnElement[bool]:
    return failures.c.last_at < clock.wire(moment)


def _wait(count: int) -> timedelta:
    """How long after `count` failures the next attempt may come."""
    if count < FREE:
        return timedelta()
    if count >= MOST:
        return LOCKED_FOR
    return min(LONGEST_WAIT, timedelta(seconds=2 ** min(count - FREE, 20)))


def _refusal(count: int, left: timedelta) -> TooManyRequests:
    if count >= MOST:
        return TooManyRequests(
            "Too many failed sign-ins. This account needs a new link; ask for one."
        )
    seconds = max(1, math.ceil(left.total_seconds()))
    return TooManyRequests(
        f"Too many failed sign-ins. Try again in {seconds} seconds.",
        headers={"Retry-After": str(seconds)},
    )


def _account(email: str) -> bytes:
    return hashlib.sha256(email.strip().lower().encode(errors="surrogatepass")).digest()
