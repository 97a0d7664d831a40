"""Rounds of a peer: a number asks for so many calls, and their mean is the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable


def rounds(name: str, ask: Callable[[], object], orders: Iterable[str]) -> None:
    """Tell the peer's name, then answer each line with processor milliseconds of one call."""
    print(name, flush=True)
    for line in orders:
        calls = int(line)
        began = time.process_time()
        for _ in range(calls):
            ask()
        print((time.process_time() - began) / calls * 1000, flush=True)
