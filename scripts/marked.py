"""Pages of the documentation that hold a text between two marks, written by a script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def filled(page: str, begin: str, end: str, block: str) -> str:
    """The page with `block` between its marks; SystemExit where a mark is missing."""
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"The page lacks the marks {begin} and {end}")
    return f"{before}{begin}\n\n{block}\n\n{end}{after}"


def main(path: Path, current: Callable[[str], str], command: str) -> int:
    """Rewrite the page, or with --check only compare; returns the exit code."""
    page = path.read_text("utf-8")
    if "--check" in sys.argv[1:]:
        if page == current(page):
            return 0
        print(f"{path.name} is not current: run {command}", file=sys.stderr)
        return 1
    path.write_text(current(page), "utf-8")
    return 0
