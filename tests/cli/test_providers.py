"""`dragoman provider`: identity providers from a file, against a provider that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Run
from tests.support.identity_provider import Provider, running_provider

Answer = Callable[..., Any]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def file(home: Path, provider: Provider) -> Path:
    return write(home, [entry(provider)])


def write(home: Path, entries: Any) -> Path:
    made = home.parent / "providers.yaml"
    made.write_text(yaml.safe_dump(entries))
    return made


def entry(provider: Provider, **changes: Any) -> dict[str, Any]:
    usual = {"slug": "work", "name": "Work", "issuer": provider.issuer, "clientId": "dragoman"}
    return {**usual, **changes}


def test_a_file_is_applied_once(run: Run, answer: Answer, file: Path) -> None:
    (would,) = answer("provider", "apply", str(file), "--dry-run", code=3)
    assert would["action"] == "added"
    assert answer("provider", "list") == []
    (made,) = answer("provider", "apply", str(file))
    assert made["redirectUri"].endswith("/signin/oidc/work/callback")
    assert "Nothing to change" in run("provider", "apply", str(file)).stderr
    (listed,) = answer("provider", "list")
    assert (listed["slug"], listed["createUsers"]) == ("work", False)
    rows = run("audit", "export").stdout
    assert rows.count('"identity_provider.create"') == 1
    assert '"identity_provider.update"' not in rows


def test_what_is_exported_is_what_is_read(
    run: Run, answer: Answer, home: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_SECRET_OIDC", "kept outside")
    whole = entry(
        provider, clientSecret={"$secret": "env:DRAGOMAN_SECRET_OIDC"}, groupNames={"a": "b"}
    )
    run("provider", "apply", str(write(home, [whole])))
    exported = run("provider", "export").stdout
    assert yaml.safe_load(exported) == [whole]
    again = write(home, yaml.safe_load(exported))
    assert "Nothing to change" in run("provider", "apply", str(again)).stderr
    less = write(home, [entry(provider, name="Other")])
    (changed,) = answer("provider", "apply", str(less))
    assert changed["action"] == "changed"
    (left,) = answer("provider", "list")
    # The secret stays; what else the file leaves out has its default.
    assert (left["name"], left["groupNames"]) == ("Other", {})
    assert left["clientSecret"] == "env:DRAGOMAN_SECRET_OIDC"


def test_a_secret_is_sealed_and_never_in_the_file(
    run: Run, answer: Answer, home: Path, file: Path, provider: Provider
) -> None:
    plain = write(home, [entry(provider, clientSecret="in plain text")])
    refused = run("provider", "apply", str(plain), code=5)
    assert "plain text" in refused.stderr
    write(home, [entry(provider)])
    run("provider", "apply", str(file))
    run("provider", "secret", "work", "as an option", code=2)
    run("provider", "secret", "work", typed="from stdin\n")
    (listed,) = answer("provider", "list")
    assert listed["clientSecret"] == "stored"
    assert "Nothing to change" in run("provider", "apply", str(file)).stderr
    for each in home.iterdir():
        assert b"from stdin" not in each.read_bytes()
    run("provider", "secret", "nobody", typed="x", code=4)


def test_a_provider_is_asked_and_removed(
    run: Run, answer: Answer, file: Path, provider: Provider
) -> None:
    run("provider", "apply", str(file))
    assert answer("provider", "check", "work")["issuer"] == provider.issuer
    provider.metadata["issuer"] = "https://another.example"
    run("provider", "remove", "work")
    run("provider", "check", "work", code=4)
    assert answer("provider", "list") == []


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("no list", "a list of identity providers"),
        ([{"slug": "x"}], "name"),
        ([{"slug": "x", "name": "x", "clientId": "x", "issuer": "http://example.com"}], "https"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, home: Path, entries: Any, said: str) -> None:
    assert said in run("provider", "apply", str(write(home, entries)), code=5).stderr
