"""`dragoman doctor`: looks at what the server needs, changes nothing, says what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dragoman.cli import local
from dragoman.cli.exits import CommandError, explain
from dragoman.cli.output import Json, Output, say

if TYPE_CHECKING:
    from dragoman.settings import Settings
    from dragoman.store import Store

LEAST_FREE = 100 * 2**20
SKEW_SECONDS = 60.0
# A clock before the release of this version, or far past it, is a clock that was never set.
CLOCK_FROM, CLOCK_TO = datetime(2026, 1, 1, tzinfo=UTC), datetime(2076, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `status`: ok, note (worth reading) or failed."""

    check: str
    status: str
    message: str
    fix: str = ""


class Bad(Exception):
    """A check failed: what is wrong and what to do."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def doctor(as_json: Json = False) -> None:
    """Check home, keys, store, drivers, clock, egress and disk; exit code 1 when one fails."""
    settings = local.settings()
    checks = [_try(name, lambda look=look: look(settings)) for name, look in CHECKS.items()]
    checks += _drivers()
    Output(as_json).rows(checks, ("check", "status", "message", "fix"))
    failed = [check.check for check in checks if check.status == "failed"]
    if failed:
        raise CommandError(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}.")
    say("Nothing failed.")


def _try(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", look())
    except Bad as bad:
        return Check(name, "failed", bad.message, bad.fix)
    except Exception as error:  # noqa: BLE001 - a doctor reports what it does not know, too
        explained = explain(error)
        lines = explained[1] if explained else [f"{type(error).__name__}"]
        fix = lines[1].removeprefix("Fix: ") if len(lines) > 1 else ""
        return Check(name, "failed", lines[0], fix)


def _home(settings: Settings) -> str:
    home = settings.home
    if not home.exists():
        parent = next(each for each in home.parents if each.exists())
        if not os.access(parent, os.W_OK):
            raise Bad(f"{home} is missing and cannot be made", "Set DRAGOMAN_HOME.")
        return f"{home} is not there yet; the first start makes it"
    if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
        raise Bad(f"{home} cannot be written", f"Run as its owner (uid {home.stat().st_uid}).")
    return str(home)


def _keys(settings: Settings) -> str:
    from dragoman.vault import KEY_FILE_NAME, load_keyring

    file = settings.home / KEY_FILE_NAME
    elsewhere = bool(settings.keys or settings.keys_command)
    needed = _keys_needed(settings)
    if not elsewhere and not file.exists():
        if needed:
            raise Bad(f"{file} is missing and secrets are sealed with it", "Restore the backup.")
        return "no key file yet; the first start makes it"
    ring = load_keyring(
        home=settings.home, value=settings.keys or None, command=settings.keys_command or None
    )
    if lost := needed - set(ring.ids):
        text = f"Secrets are sealed with keys that the ring lacks: {', '.join(sorted(lost))}"
        raise Bad(text, "Bring those keys back from a backup.")
    place = "from the settings" if elsewhere else f"{file}, mode 0600"
    return f"primary {ring.primary.id}, {len(ring.retired)} retired; {place}"


def _keys_needed(settings: Settings) -> set[str]:
    """Ids of the keys that seal something; none when there is no store to ask."""
    from dragoman.cli.keys import used
    from dragoman.store.migrations import current

    if not _has_store(settings):
        return set()
    try:
        with _opened(settings) as store:
            return set(used(store)) if current(store) else set()
    except Exception:  # noqa: BLE001 - the next check tells what is wrong with the store
        return set()


def _has_store(settings: Settings) -> bool:
    return bool(settings.database_url) or (settings.home / "dragoman.db").exists()


def _store(settings: Settings) -> str:
    from dragoman.store.migrations import HEAD, current

    if not _has_store(settings):
        return "no SQLite store yet; the first start makes it"
    with _opened(settings) as store:
        found = current(store)
        kind = "SQLite" if store.is_sqlite else "PostgreSQL"
    if found == HEAD:
        return f"{kind}, revision {found}"
    if found is not None and found > HEAD:
        raise Bad(f"{kind}, revision {found}; this version knows {HEAD}", "Use the later version.")
    return f"{kind}, revision {found or 'none'}; the next start migrates it to {HEAD}"


def _clock(settings: Settings) -> str:
    now = datetime.now(UTC)
    if not CLOCK_FROM <= now <= CLOCK_TO:
        raise Bad(f"The clock says {now:%Y-%m-%d %H:%M} UTC", "Set it; run an NTP service.")
    skew = _skew(settings)
    if abs(skew) > SKEW_SECONDS:
        raise Bad(f"The store's clock differs by {skew:.0f} s", "Run an NTP service on both.")
    return f"{now:%Y-%m-%d %H:%M:%S} UTC"


def _skew(settings: Settings) -> float:
    """By how many seconds the store's own clock is ahead; SQLite has ours."""
    if not settings.database_url:
        return 0.0
    with _opened(settings) as store:
        if store.is_sqlite:
            return 0.0
        with store.begin() as unit:
            asked = unit.db.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())")
            return float(str(asked.scalar())) - time.time()


def _egress(settings: Settings) -> str:
    if settings.tls_ca_file and not os.access(settings.tls_ca_file, os.R_OK):
        raise Bad(f"tls_ca_file {settings.tls_ca_file} cannot be read", "See DRAGOMAN_TLS_CA_FILE.")
    return local.egress(settings).describe()


def _disk(settings: Settings) -> str:
    place = next(each for each in (settings.home, *settings.home.parents) if each.exists())
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE:
        raise Bad(f"{free / 2**20:.0f} MiB free at {place}", "Make room; writes would fail.")
    return f"{free / 2**30:.1f} GiB free at {place}"


def _duckdb_root(settings: Settings) -> str:
    root = settings.duckdb_root
    if root and not (os.path.isdir(root) and os.access(root, os.R_OK | os.X_OK)):
        raise Bad(f"duckdb_root {root} cannot be read", "See DRAGOMAN_DUCKDB_ROOT.")
    return root or "none: no DuckDB files may be connected, only :memory:"


def _drivers() -> list[Check]:
    """One line a dialect. A missing driver is no failure: extras are optional."""
    from dragoman.dialects import registry

    found: list[Check] = []
    for dialect in registry.all_dialects().values():
        driver = dialect.declaration.driver
        name = f"driver {dialect.declaration.name}"
        if driver.installed():
            found.append(Check(name, "ok", driver.distribution))
        else:
            fix = f"pip install 'dragoman[{driver.extra}]'"
            found.append(Check(name, "note", f"{driver.distribution} is not installed", fix))
    return found


@contextlib.contextmanager
def _opened(settings: Settings) -> Generator[Store]:
    """The store as it is: nothing is migrated."""
    from dragoman.store import Store

    store = Store(settings.store_url)
    try:
        yield store
    finally:
        store.close()


CHECKS: dict[str, Callable[[Settings], str]] = {
    "home": _home,
    "keys": _keys,
    "store": _store,
    "clock": _clock,
    "egress": _egress,
    "duckdb": _duckdb_root,
    "disk": _disk,
}
