"""The sample data behind DuckDB's `:memory:`: a small shop, the same in every process."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from importlib import resources
from pathlib import Path


@functools.cache
def sample_file() -> Path:
    """A DuckDB file with the sample data, made at first use and removed when the process ends.

    A file and not memory, because only a file can be attached read-only.
    """
    import duckdb

    directory = tempfile.mkdtemp(prefix="dragoman-sample-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = Path(directory, "sample.duckdb")
    script = resources.files("dragoman.dialects").joinpath("sample.sql").read_text("utf-8")
    connection = duckdb.connect(str(path))
    try:
        connection.execute(script)
    finally:
        connection.close()
    return path
