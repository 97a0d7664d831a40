"""The page of each dialect: there, fresh, and with an example that works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dragoman.dialects import registry
from dragoman.dialects.base import Proof
from dragoman.dialects.conformance import CHECKS, Status, fingerprint
from dragoman.dialects.validation import validate
from scripts import conformance_docs, dialect_docs
from tests.engines.recording import STANDS
from tests.support import bodies

ROOT = Path(__file__).parents[2]


def test_pages_are_there_and_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert dialect_docs.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_or_missing_page_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for page in (ROOT / "docs" / "dialects").glob("*.md"):
        (tmp_path / page.name).write_text(page.read_text())
    (tmp_path / "oracle.md").unlink()
    trino = tmp_path / "trino.md"
    trino.write_text(trino.read_text().replace("`443`", "`444`"))
    monkeypatch.setattr(dialect_docs, "PAGES", tmp_path)
    assert dialect_docs.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert re.findall(r"^(\w+)\.md: (missing|stale)", said, re.MULTILINE) == [
        ("oracle", "missing"),
        ("trino", "stale"),
    ]
    assert dialect_docs.main([]) == 1  # a missing page is not made up
    assert "`443`" in trino.read_text()


@pytest.mark.parametrize("dialect", bodies.NAMES)
def test_the_example_of_each_page_is_taken_in_silence(dialect: str) -> None:
    text = (ROOT / "docs" / "dialects" / f"{dialect}.md").read_text()
    example = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert example is not None
    draft = validate(json.loads(example[1]), strict=True)
    assert draft.dialect == dialect
    assert draft.warnings == []
    assert "can only read" in text


def test_the_record_of_the_suite_is_of_these_checks_and_declarations() -> None:
    """Otherwise: make conformance."""
    recorded = conformance_docs.record()
    assert set(recorded) == set(STANDS)
    for name, entry in recorded.items():
        declared = registry.get(entry["dialect"]).declaration
        assert entry["fingerprint"] == fingerprint(declared), name
        assert list(entry["results"]) == [check.name for check in CHECKS], name
        assert {result[0] for result in entry["results"].values()} <= set(Status) - {Status.FAILED}
        stand = STANDS[name]
        assert (entry["dialect"], entry["against"]) == (stand.dialect, stand.against)
        assert entry["proof"] == stand.proof.value


@pytest.mark.parametrize("dialect", bodies.NAMES)
def test_no_more_is_claimed_than_was_run(dialect: str) -> None:
    run = {Proof(entry["proof"]) for entry in conformance_docs.subjects_of(dialect)}
    declared = registry.get(dialect).declaration
    without = Proof.DRIVER if declared.live else Proof.DECLARED
    assert declared.proof is min(run, key=list(Proof).index, default=without)
