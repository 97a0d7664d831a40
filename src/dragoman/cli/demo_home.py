"""The demo's own home: `./.demo`, made anew each time, never a home that holds something else."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path

from dragoman.cli.exits import CommandError

MARK = "# Written by `dragoman demo`, which deletes this directory when it runs again.\n"


@contextlib.contextmanager
def fresh(place: Path) -> Generator[Path]:
    """An empty home with its settings; one demo at a time. Raises `CommandError`."""
    home = place.expanduser().absolute()
    if home.exists() and any(home.iterdir()) and not _is_demo(home):
        raise CommandError(
            f"{home} holds something that is not a demo.", "Name an empty directory with --home."
        )
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(home):
        _empty(home)
        (home / "data").mkdir()
        # TOML and JSON write a text in the same way.
        settings = f"{MARK}duckdb_root = {json.dumps(str(home / 'data'))}\n"
        (home / "dragoman.toml").write_text(settings)
        yield home


def environment(home: Path) -> dict[str, str]:
    """For child processes: this home and its settings, and none of the operator's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    return {**kept, "DRAGOMAN_HOME": str(home), "DRAGOMAN_CONFIG": str(home / "dragoman.toml")}


def _is_demo(home: Path) -> bool:
    marked = home / "dragoman.toml"
    if marked.is_file():
        return marked.read_text().startswith(MARK)
    return [each.name for each in home.iterdir()] == [".lock"]


@contextlib.contextmanager
def _alone(home: Path) -> Generator[None]:
    with (home / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "Stop it, or name another directory with --home."
            raise CommandError(f"Another demo runs in {home}.", fix) from None
        yield


def _empty(home: Path) -> None:
    for each in home.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        elif each.name != ".lock":
            each.unlink()
