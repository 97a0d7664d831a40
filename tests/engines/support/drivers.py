"""Drivers that stay out of our environment: proprietary, each in an environment of its own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tests.support.engines import Unavailable

ENGINES = Path(__file__).parents[3] / ".engines"


def with_driver(engine: str, module: str) -> None:
    """Lets this process import a driver from `.engines/ENGINE`. Raises `Unavailable`."""
    for packages in (ENGINES / engine).glob("lib/python*/site-packages"):
        if str(packages) not in sys.path:
            sys.path.append(str(packages))
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise Unavailable(f"{module} is not installed (make engines)") from error
