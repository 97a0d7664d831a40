"""What one process of a run in several does at a stretch, and what is begun first."""

from __future__ import annotations

from typing import Any

# Engines that take long to start: all tests of one run in one process, wherever they are written.
ENGINES = {
    "trino": "trino",
    "athena": "trino",  # whose stand-in runs its statements there
    "bigquery": "bigquery",
    "snowflake": "snowflake",
    "mssql": "mssql",
    "clickhouse": "clickhouse",
    "starrocks": "starrocks",
    "exasol": "exasol",
}
# What takes longest, in that order: begun last, it would keep one process busy at the end.
LONGEST = (
    "trino",
    "tests/engines/test_conformance.py",
    "bigquery",
    "clickhouse",
    "snowflake",
    "tests/faults/test_jobs.py",
    "mssql",
    "tests/contract/test_openapi.py",
    "tests/cli/test_demo.py",
    "tests/engines/test_databricks.py",
    "tests/store/test_migrations.py",
    "tests/git/test_sync.py",
    "tests/git/test_branches.py",
    "tests/jobs/test_jobs.py",
    "tests/faults/test_stop.py",
    "tests/faults/test_rotation.py",
    "tests/security/test_every_entry.py",
    "tests/security/test_canaries.py",
    "tests/engines/test_catalog.py",
    "tests/clients/test_public_clients.py",
)


def unit_of(nodeid: str) -> str:
    """The file of a test, since its tests share a server; or the engine that its name tells."""
    file, _, rest = nodeid.partition("::")
    if file.startswith("tests/engines/"):
        told = f"{file.rpartition('/')[2]} {rest}"
        return next((unit for name, unit in ENGINES.items() if name in told), file)
    return file


def place_of(nodeid: str) -> int:
    """Tests with a lower number come first."""
    unit = unit_of(nodeid)
    return LONGEST.index(unit) if unit in LONGEST else len(LONGEST)


def scheduler(config: Any, log: Any) -> Any:
    """Hands out units whole, in the order in which the tests are."""
    # The environments of some drivers have pytest alone.
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

    return ByUnit(config, log)
