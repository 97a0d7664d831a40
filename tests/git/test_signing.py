"""Signed commits: OpenSSH itself judges the signature."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.git.conftest import ORDERS, USERS, Kept

KEYGEN = shutil.which("ssh-keygen")


def verified(folder: Path, kept: Kept, public: str) -> bool:
    """What `git verify-commit` asks ssh-keygen."""
    assert KEYGEN is not None
    commit = kept.bare.log()[0]
    assert commit.gpgsig is not None
    (folder / "signers").write_text(f"bi@example.com {public}\n")
    (folder / "signature").write_bytes(commit.gpgsig)
    arguments = ["-Y", "verify", "-f", "signers", "-I", "bi@example.com", "-n", "git"]
    return (
        subprocess.run(
            [KEYGEN, *arguments, "-s", "signature"],
            input=commit.raw_without_sig(),
            cwd=folder,
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )


@pytest.mark.skipif(KEYGEN is None, reason="this machine has no ssh-keygen")
def test_commits_are_signed_by_the_key_that_is_shown(kept: Kept, tmp_path: Path) -> None:
    made = kept.configure(
        signCommits=True, committerName="BI team", committerEmail="bi@example.com"
    )
    first = made["signingPublicKey"]
    kept.save({"a.view": ORDERS})
    kept.sync()
    assert kept.bare.log()[0].committer == b"BI team <bi@example.com>"
    assert verified(tmp_path, kept, first)
    kept.client.patch(kept.path, json={"rotateSigningKey": True})
    second = kept.client.get(kept.path).json()["signingPublicKey"]
    kept.save({"b.view": USERS})
    kept.sync()
    assert second != first
    assert verified(tmp_path, kept, second)
    assert not verified(tmp_path, kept, first)


def test_signing_ends(kept: Kept) -> None:
    kept.configure(signCommits=True)
    told = kept.client.patch(kept.path, json={"signCommits": False}).json()
    assert (told["signCommits"], told["signingPublicKey"]) == (False, None)
    assert kept.server.sql("SELECT * FROM sealed_secrets WHERE property = 'signingKey'") == []
    kept.save({"a.view": ORDERS})
    kept.sync()
    assert kept.bare.log()[0].gpgsig is None
