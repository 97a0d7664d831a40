"""Sealing and opening a secret with the vault's envelope, against AES-GCM alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from support import report, servers
from support.report import Figure, Finding, Options

TEXT = "correct horse battery 1"


def measure(options: Options) -> Iterator[Finding]:
    """Microseconds to seal and to open one password; the key ring is in memory."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    rounds, calls = options.pick((9, 2000), (2, 100))
    with servers.temporary_home() as home:
        sides = _vault(home)
        alone, nonce = AESGCM(os.urandom(32)), os.urandom(12)
        sides["AES-256-GCM alone"] = lambda: alone.encrypt(nonce, TEXT.encode(), b"context")
        seen: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, side in sides.items():
                seen[name].append(_microseconds(side, calls))
    for name, values in seen.items():
        yield Figure(name, values, "us")
    yield Figure("seal / AES-256-GCM alone", report.ratios(seen["seal"], seen["AES-256-GCM alone"]))


def _vault(home: Path) -> dict[str, Callable[[], Any]]:
    from dragoman.secret import SecretStr
    from dragoman.vault import KEY_FILE_NAME, Context, KeyRingSource, Vault, create_keyring

    create_keyring(home / KEY_FILE_NAME)
    vault, secret = Vault(KeyRingSource(home=home)), SecretStr(TEXT)
    place = {"dialect": "postgres", "host": "db.example.com", "port": 5432, "username": "reader"}
    context = Context("connection", "4c7a1f0e", "passwordUnencrypted", place)
    sealed = vault.seal(secret, context)
    return {
        "seal": lambda: vault.seal(secret, context),
        "open": lambda: vault.open(sealed, context),
    }


def _microseconds(side: Callable[[], Any], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        side()
    return (time.perf_counter() - began) / calls * 1e6


if __name__ == "__main__":
    report.main(measure)
