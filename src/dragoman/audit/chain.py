"""The chain of the audit: each row's hash covers the hash of the row before it.

The hash is an HMAC-SHA-256 with a key derived from the key ring, so that who can only write the
database cannot compute it again. Rows of a unit of work are chained as its last step before the
commit: on PostgreSQL the head is locked there, where nothing is waited for any more.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, update

from dragoman import clock
from dragoman.audit.tables import audit_chain, audit_log
from dragoman.store.metadata import AnyRow
from dragoman.store.prepared import Prepared, PreparedInsert, PreparedUpdate
from dragoman.store.work import Signer, UnitOfWork
from dragoman.vault.context import join_parts

PURPOSE = "audit/v1"
"""What the key of the chain is derived for."""

START = bytes(32)
"""What the first row of all is chained to."""

_ROW_DOMAIN, _ANCHOR_DOMAIN = b"dragoman audit row v1", b"dragoman audit anchor v1"
_CHAINED = ("seq", "key_id", "mac")
_COLUMNS = tuple(audit_log.c.keys())
_VALUES = tuple(c.name for c in audit_log.c if c.name not in _CHAINED)
_BATCH = 1000
_SHOWN = 20

_HEAD = Prepared(select(audit_chain.c.number, audit_chain.c.mac).with_for_update())
_INSERT = PreparedInsert(audit_log, *_COLUMNS)
_MOVE = PreparedUpdate(
    update(audit_chain).values(number=bindparam("to_number"), mac=bindparam("to_mac"))
)


class Waiting(NamedTuple):
    """A row that is not in the chain yet, and its values as bytes."""

    values: Mapping[str, Any]
    content: bytes


def waiting(values: Mapping[str, Any]) -> Waiting:
    """A row for `append`; `values` are those of all columns but the chain's own."""
    return Waiting(values, content(values))


def content(values: Mapping[str, Any]) -> bytes:
    """What is hashed of a row: names and stored texts, each with its length. An absent value is
    left out, so that a later version may add a column without changing a hash."""
    present = ((name, values[name]) for name in _VALUES if values[name] is not None)
    return join_parts(part.encode() for pair in present for part in pair)


def append(unit: UnitOfWork, rows: Sequence[Waiting]) -> None:
    """Write rows at the end of the chain. The last step of a unit of work."""
    head = _HEAD.first(unit)
    if head is None:
        raise RuntimeError("the audit has no head: the row of audit_chain is gone")
    number, mac = head
    key_id, key = unit.signer.current() if unit.signer else (None, None)
    chained: list[dict[str, Any]] = []
    for row in rows:
        number += 1
        mac = _row_mac(key, bytes(mac), number, key_id, row.content)
        chained.append({**row.values, "seq": number, "key_id": key_id, "mac": mac})
    _INSERT.write(unit, chained)
    _MOVE.run(unit, to_number=number, to_mac=mac)


def bind_old_rows(unit: UnitOfWork) -> int | None:
    """The number of the last row when it has no key: a row that is recorded after it binds it and
    all before it. None when there is no need."""
    last = select(audit_log.c.seq, audit_log.c.key_id).order_by(audit_log.c.seq.desc()).limit(1)
    found = unit.db.execute(last).first()
    return found.seq if found is not None and found.key_id is None else None


def forget(unit: UnitOfWork, days: int) -> int:
    """Delete rows older than so many days, from the old end only; returns how many."""
    oldest = clock.wire(unit.moment - timedelta(days=days))
    chain = unit.db.execute(select(audit_chain).with_for_update()).one()
    kept = select(audit_log.c.seq).where(audit_log.c.at >= oldest).order_by(audit_log.c.seq)
    first = unit.db.execute(kept.limit(1)).scalar()
    last = chain.number if first is None else first - 1
    if last <= chain.anchor_number:
        return 0
    mac = unit.db.execute(select(audit_log.c.mac).where(audit_log.c.seq == last)).scalar()
    if mac is None:  # somebody else removed rows: what is left stays, for `verify` to tell
        return 0
    key_id, key = unit.signer.current() if unit.signer else (None, None)
    values = {
        "anchor_number": last,
        "anchor_mac": mac,
        "anchor_key_id": key_id,
        "anchor_seal": _anchor_seal(key, last, mac),
    }
    unit.db.execute(update(audit_chain).values(values))
    return unit.db.execute(delete(audit_log).where(audit_log.c.seq <= last)).rowcount


@dataclass(slots=True)
class Verdict:
    """What `verify` found. `number` and `mac` (hex) are the head; `first` the first number that is
    kept; `rows` how many there are; `unkeyed` rows from before the chain had a key; `unknown` rows
    by id of a key that the ring has no more, which cannot be checked. `problems`: sentences."""

    number: int = 0
    mac: str = ""
    first: int = 1
    rows: int = 0
    unkeyed: int = 0
    unknown: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])

    @property
    def whole(self) -> bool:
        """Whether every row was checked, and nothing is wrong."""
        return not self.problems and not self.unknown

    @property
    def head(self) -> str:
        """The head as text, to be kept elsewhere."""
        return f"{self.number}:{self.mac}"

    def problem(self, text: str) -> None:
        """Note a problem; of many the first ones."""
        if len(self.problems) < _SHOWN:
            self.problems.append(text)


def verify(unit: UnitOfWork, kept: tuple[int, bytes] | None = None) -> Verdict:
    """Check the whole chain. `kept`: number and hash of a head that was noted earlier; without one
    a removal of the newest rows shows only if the head in the store was not changed with them."""
    verdict, keyed = Verdict(), False
    chain = unit.db.execute(select(audit_chain)).first()
    if chain is None:
        verdict.problem("The head of the chain is gone.")
        return verdict
    _check_anchor(unit.signer, chain, verdict)
    number, mac = chain.anchor_number, bytes(chain.anchor_mac)
    verdict.first = number + 1
    if kept is not None and kept[0] == number and kept[1] != mac:
        verdict.problem(f"Row {number} is not the one that was kept.")
    for row in _rows(unit):
        verdict.rows += 1
        if row["seq"] != number + 1:
            verdict.problem(_gap(number + 1, row["seq"]))
        _check_row(unit.signer, row, mac, verdict, keyed=keyed)
        number, mac, keyed = row["seq"], bytes(row["mac"]), keyed or row["key_id"] is not None
        if kept is not None and kept[0] == number and kept[1] != mac:
            verdict.problem(f"Row {number} is not the one that was kept.")
    if (number, mac) != (chain.number, bytes(chain.mac)):
        verdict.problem(f"The last row is {number}, the head says {chain.number}.")
    if kept is not None and kept[0] > number:
        verdict.problem(f"Rows {number + 1} to {kept[0]} are missing at the end.")
    verdict.number, verdict.mac = number, mac.hex()
    return verdict


def _rows(unit: UnitOfWork) -> Iterator[Mapping[str, Any]]:
    after = -1
    while True:
        batch = select(audit_log).where(audit_log.c.seq > after).order_by(audit_log.c.seq)
        found = unit.db.execute(batch.limit(_BATCH)).all()
        for row in found:
            yield dict(zip(_COLUMNS, row, strict=True))
        if len(found) < _BATCH:
            return
        after = found[-1].seq


def _check_row(
    signer: Signer | None,
    row: Mapping[str, Any],
    previous: bytes,
    verdict: Verdict,
    *,
    keyed: bool,
) -> None:
    number, key_id = row["seq"], row["key_id"]
    if key_id is None:
        verdict.unkeyed += 1
        if keyed:
            verdict.problem(f"Row {number} has no key, though rows before it have one.")
    key = None if key_id is None or signer is None else signer.find(key_id)
    if key_id is not None and key is None:
        verdict.unknown[key_id] = verdict.unknown.get(key_id, 0) + 1
        return
    expected = _row_mac(key, previous, number, key_id, content(row))
    if not hmac.compare_digest(expected, bytes(row["mac"])):
        verdict.problem(f"Row {number} was changed, or does not follow the row before it.")


def _check_anchor(signer: Signer | None, chain: AnyRow, verdict: Verdict) -> None:
    if chain.anchor_seal is None:
        if (chain.anchor_number, bytes(chain.anchor_mac)) != (0, START):
            verdict.problem("The anchor of forgotten rows has no seal.")
        return
    key_id = chain.anchor_key_id
    key = None if key_id is None or signer is None else signer.find(key_id)
    if key_id is not None and key is None:
        verdict.unknown.setdefault(key_id, 0)
        return
    if key_id is None and signer is not None:
        verdict.problem("The anchor of forgotten rows was sealed without a key.")
    expected = _anchor_seal(key, chain.anchor_number, bytes(chain.anchor_mac))
    if not hmac.compare_digest(expected, bytes(chain.anchor_seal)):
        verdict.problem("The anchor of forgotten rows was changed.")


def _gap(expected: int, found: int) -> str:
    if found < expected:
        return f"Row {found} stands where {expected} should."
    last = found - 1
    return (
        f"Row {last} is missing." if last == expected else f"Rows {expected} to {last} are missing."
    )


def _row_mac(
    key: bytes | None, previous: bytes, number: int, key_id: str | None, row: bytes
) -> bytes:
    parts = (_ROW_DOMAIN, previous, b"%d" % number, (key_id or "").encode(), row)
    return _mac(key, join_parts(parts))


def _anchor_seal(key: bytes | None, number: int, mac: bytes) -> bytes:
    return _mac(key, join_parts((_ANCHOR_DOMAIN, b"%d" % number, mac)))


def _mac(key: bytes | None, data: bytes) -> bytes:
    return hashlib.sha256(data).digest() if key is None else hmac.digest(key, data, "sha256")
