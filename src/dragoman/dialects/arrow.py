"""Apache Arrow as the other files see it: imported at first use, and given types by name.

pyarrow ships no type information; these names say which of its classes is meant.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, TypeAlias

Array: TypeAlias = Any
DataType: TypeAlias = Any
Field: TypeAlias = Any
RecordBatch: TypeAlias = Any
RecordBatchReader: TypeAlias = Any
Schema: TypeAlias = Any


@functools.cache
def pyarrow() -> Any:
    """The pyarrow module, with `pyarrow.compute` loaded."""
    importlib.import_module("pyarrow.compute")
    return importlib.import_module("pyarrow")
