"""Draws docs/demo.svg: runs `dragoman demo` and keeps its terminal output as a picture.

python scripts/demo_picture.py
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS = 108


def main() -> None:
    """Run the demo in the repository's own environment and write the picture."""
    command = [sys.executable, "-m", "dragoman.cli", "demo"]
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ make demo", style="bold"))
    console.print(Text.from_ansi(ran.stdout))
    # No fonts from other hosts: the picture must show the same everywhere.
    svg = console.export_svg(title="Dragoman")
    (ROOT / "docs" / "demo.svg").write_text(_local(svg), "utf-8")


def _local(svg: str) -> str:
    """The picture without web fonts."""
    kept: list[str] = []
    skipping = False
    for line in svg.splitlines():
        skipping = skipping or line.strip().startswith("@font-face")
        if not skipping:
            kept.append(line)
        if skipping and line.strip() == "}":
            skipping = False
    return "\n".join(kept).replace("Fira Code", "ui-monospace") + "\n"


if __name__ == "__main__":
    main()
