"""The pages say what the program does: settings, commands, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

from dragoman.cli.exits import Exit
from scripts import settings_docs
from tests.cli.test_help import COMMANDS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_table_of_settings_is_current() -> None:
    page = settings_docs.PAGE.read_text("utf-8")
    assert page == settings_docs.current(page)


def test_every_command_is_described() -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    missing = [command for command in COMMANDS if f"dragoman {command}" not in page]
    assert not missing


def test_every_exit_code_is_described() -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)}
    assert told == {code.value for code in Exit} | {130}
