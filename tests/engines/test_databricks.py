"""The Databricks adapter in an environment of its own, since its driver brings pandas along.

The tests are in `in_databricks.py` and, with the subject `databricks_stub`, in the one suite.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.engines import Engine, Unavailable

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".engines" / "databricks" / "bin" / "python"


@pytest.mark.timeout(600)
def test_stub_the_suite_of_databricks_passes(start_engine: object) -> None:
    assert callable(start_engine)
    start_engine("databricks (protocol stub)", environment)
    done = subprocess.run(
        [
            *(str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"),
            *("-k", "databricks", "-m", "not slow"),
            *("tests/engines/in_databricks.py", "tests/engines/test_conformance.py"),
        ],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "engines not tested" not in done.stdout


class environment:  # noqa: N801 - stands where an engine is started
    """Nothing is started here: it is there or not."""

    def __enter__(self) -> Engine:
        if not (PYTHON.parent.parent / ".lock").exists():
            raise Unavailable("its driver is not installed (make engines)")
        return Engine("", 0, "", "", "")

    def __exit__(self, *_: object) -> None:
        pass
