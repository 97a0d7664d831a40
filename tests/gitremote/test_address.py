"""Which clone URLs are accepted, and what they mean; deploy keys."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from dragoman.gitremote import GitFailure, RepositoryAddress, generate_key, load_key, parse_address
from dragoman.secret import SecretStr


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("git@github.com:org/repo.git", ("ssh", "git", "github.com", 22, "org/repo.git")),
        ("git@[::1]:org/repo.git", ("ssh", "git", "::1", 22, "org/repo.git")),
        ("ssh://git@host:7999/p/r.git", ("ssh", "git", "host", 7999, "/p/r.git")),
        ("ssh://me@host/~me/r.git", ("ssh", "me", "host", 22, "~me/r.git")),
        ("https://github.com/org/repo", ("https", "", "github.com", 443, "/org/repo")),
        ("https://bot@host:8443/a%20b.git", ("https", "bot", "host", 8443, "/a%20b.git")),
    ],
)
def test_forms(text: str, parts: tuple[object, ...]) -> None:
    assert parse_address(text) == RepositoryAddress(*parts)


@pytest.mark.parametrize(
    "text",
    [
        "", "repo", "/srv/repo.git", "./repo.git", "../repo.git", "file:///srv/repo.git",
        "http://host/repo.git", "git://host/repo.git", "ext::sh -c id", "ssh://host/repo.git",
        "ssh://-oProxyCommand=id@host/x", "git@-oProxyCommand=id:x", "-u@host:x", "git@host:-x",
        "git@host:a/../b", "ssh://git@host/a'b", "https://u:p@host/r", "https://host/r?x=1",
        "https://host/r#x", "https://host", "https:///r", "ssh://git@host:99999/r", "git@host:",
        "git@host:a b", "git@host:a\nb", "https://höst/r", "git@host:/", "x" * 1001,
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(GitFailure):
        parse_address(text)


def pem(key: Any, password: bytes | None = None, openssh: bool = True) -> SecretStr:
    kind = form.PrivateFormat.OpenSSH if openssh else form.PrivateFormat.PKCS8
    lock = form.BestAvailableEncryption(password) if password else form.NoEncryption()
    return SecretStr(key.private_bytes(form.Encoding.PEM, kind, lock).decode())


@pytest.mark.parametrize("openssh", [True, False])
@pytest.mark.parametrize("password", [None, b"geheim"])
def test_keys_of_the_user(openssh: bool, password: bytes | None) -> None:
    for key in (
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
    ):
        phrase = SecretStr(password.decode()) if password else None
        loaded = load_key(pem(key, password, openssh), phrase)
        public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
        assert loaded.public == public.decode() + " dragoman"
        # kept without its passphrase
        assert load_key(loaded.private).public == loaded.public


def told(text: SecretStr, phrase: str | None = None) -> str:
    with pytest.raises(GitFailure) as caught:
        load_key(text, SecretStr(phrase) if phrase else None)
    assert caught.value.__cause__ is None
    return caught.value.message


@pytest.mark.parametrize("openssh", [True, False])
def test_keys_that_are_refused(openssh: bool) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    locked = pem(key, b"geheim", openssh)
    assert told(locked) == "Encrypted key requires deployKeyPassphrase"
    assert told(locked, "falsch") == "Wrong passphrase"
    assert "not encrypted" in told(pem(key, None, openssh), "geheim")
    assert told(SecretStr("nonsense")) == "Invalid key format"
    assert told(SecretStr(pem(key, None, openssh).reveal()[:80])) == "Invalid key format"
    assert "2048" in told(pem(rsa.generate_private_key(65537, 1024), None, openssh))
    assert "neither" in told(pem(dsa.generate_private_key(2048), None, openssh=False))


def test_generated_keys_differ() -> None:
    first, second = generate_key("a"), generate_key("b")
    assert first.public.startswith("ssh-ed25519 ")
    assert first.public.endswith(" a")
    assert first.private != second.private


def test_a_start_pays_for_no_git() -> None:
    program = (
        "import sys, dragoman.app, dragoman.gitremote\n"
        "print([m for m in ('dulwich', 'paramiko') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
