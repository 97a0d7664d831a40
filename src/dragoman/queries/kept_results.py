"""Results that may be used again: Arrow files in a directory, bounded in size.

A result is found by what was asked of which database (`key`), so that a hit gives nobody more than
the statement itself would; whether one may ask is decided before, each time. Several processes of
one machine share the directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dragoman import clock
from dragoman.queries.spool import Spooled


def key_of(*parts: object) -> str:
    """The name of what was asked: SHA-256 over all that an answer depends on."""
    text = json.dumps([str(part) for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A kept result and when it was made."""

    spooled: Spooled
    made_at: datetime


class KeptResults:
    """The directory. `most_bytes`: the size that it may have; 0 keeps nothing."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self.directory = directory
        self.most_bytes = most_bytes

    def find(self, key: str, max_age: float, reset_at: str | None) -> KeptResult | None:
        """A result that is not older than so many seconds, and newer than the reset."""
        path, told = self._paths(key)
        try:
            facts = json.loads(told.read_text("utf-8"))
            size = path.stat().st_size
        except (OSError, ValueError):
            return None
        made = datetime.fromtimestamp(facts["made"], UTC)
        age = (clock.now() - made).total_seconds()
        if age > max_age or (reset_at is not None and clock.wire(made) <= reset_at):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return KeptResult(Spooled(path, facts["rows"], size), made)

    def keep(self, key: str, result: Spooled, made: datetime) -> None:
        """Keep a result under a name of its own; a full disk keeps nothing."""
        if result.bytes > self.most_bytes:
            return
        path, told = self._paths(key)
        facts = json.dumps({"made": made.timestamp(), "rows": result.rows})
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{os.getpid()}")
            os.link(result.path, fresh)
            told.with_suffix(".new").write_text(facts, "utf-8")
            fresh.replace(path)
            told.with_suffix(".new").replace(told)
        except OSError:
            return
        self._evict()

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.directory / f"{key}.arrow", self.directory / f"{key}.json"

    def _evict(self) -> None:
        """Forget what was not used for longest until the rest fits."""
        found: list[tuple[float, int, Path]] = []
        for path in self.directory.glob("*.arrow"):
            with contextlib.suppress(OSError):
                facts = path.stat()
                found.append((facts.st_mtime, facts.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.most_bytes:
                return
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
            total -= size
