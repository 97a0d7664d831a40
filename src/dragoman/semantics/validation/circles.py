"""Circles among things that name each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def circles(
    start: T,
    targets: Callable[[T], Iterator[T]],
    name: Callable[[T], str],
    state: dict[str, int],
) -> Iterator[list[T]]:
    """Circles that can be reached from `start`; a stack of its own, for chains may be long.

    `state`: what was walked, by name, kept between calls: 1 is on the way, 2 is done.
    """
    stack: list[tuple[T, Iterator[T]]] = [(start, targets(start))]
    state[name(start)] = 1
    while stack:
        one, rest = stack[-1]
        target = next(rest, None)
        if target is None:
            state[name(one)] = 2
            stack.pop()
        elif name(target) not in state:
            state[name(target)] = 1
            stack.append((target, targets(target)))
        elif state[name(target)] == 1:
            way = [each for each, _ in stack]
            begins = next(at for at, each in enumerate(way) if name(each) == name(target))
            yield way[begins:]
