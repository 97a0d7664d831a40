"""The dialects by name: each module of this folder that defines a `DIALECT` is one.

Dropping a file into the folder is all it takes; nothing else lists them.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil

import dragoman.dialects
from dragoman.dialects.base import Dialect


@functools.cache
def all_dialects() -> dict[str, Dialect]:
    """Every dialect by its wire name, in alphabetical order."""
    package = dragoman.dialects
    modules = (
        importlib.import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
        if not found.ispkg
    )
    dialects = (getattr(module, "DIALECT", None) for module in modules)
    named = {d.declaration.name: d for d in dialects if isinstance(d, Dialect)}
    return dict(sorted(named.items()))


def names() -> tuple[str, ...]:
    """The wire names, in alphabetical order."""
    return tuple(all_dialects())


def get(name: str) -> Dialect:
    """The dialect of that name. Raises `KeyError` for an unknown one."""
    return all_dialects()[name]
