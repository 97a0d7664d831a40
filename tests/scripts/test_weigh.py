"""Every driver in one environment: the extras, the lock of all, and the table of weights."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dragoman.dialects import registry
from scripts import weigh

ROOT = Path(__file__).parents[2]
EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]
LOCK = dict(
    re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / "requirements/all.txt").read_text(), re.M)
)


def test_every_dialect_has_an_extra_of_its_name_and_all_has_each() -> None:
    named = {extra for text in EXTRAS["all"] for extra in Requirement(text).extras}
    assert named == set(registry.all_dialects())
    assert named <= set(EXTRAS)


@pytest.mark.parametrize("extra", sorted(registry.all_dialects()))
def test_the_lock_of_everything_satisfies_each_extra(extra: str) -> None:
    for text in EXTRAS[extra]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(LOCK[wanted.name.lower()]), text


def test_the_table_of_weights_has_every_dialect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert weigh.main(["--check"]) == 0, capsys.readouterr().out
    page = tmp_path / "install.md"
    page.write_text(weigh.PAGE.read_text().replace("| `oracle` |", "| `orakel` |"))
    monkeypatch.setattr(weigh, "PAGE", page)
    capsys.readouterr()
    assert weigh.main(["--check"]) == 1
    assert capsys.readouterr().out == "install.md: no weight of oracle\n"
