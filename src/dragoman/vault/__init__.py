"""The vault: keeps secrets of connections sealed at rest, each bound to where it may be sent.

vault = Vault(KeyRingSource(home=home))
sealed = vault.seal(secret, context)     # to the store
secret = vault.open(sealed, context)     # to the driver
"""

from dragoman.vault.context import Context
from dragoman.vault.errors import Damaged, KeyRingError, UnknownKey, VaultError, WrongContext
from dragoman.vault.keyfile import (
    KEY_FILE_NAME,
    create_keyring,
    read_keyring,
    update_keyring,
    write_keyring,
)
from dragoman.vault.keyring import Key, KeyRing, parse_keyring, render_keyring
from dragoman.vault.keysource import KeyRingSource, load_keyring
from dragoman.vault.seal import RingSource, Vault, rewrap_batches
from dragoman.vault.signing import Signer

__all__ = [
    "KEY_FILE_NAME",
    "Context",
    "Damaged",
    "Key",
    "KeyRing",
    "KeyRingError",
    "KeyRingSource",
    "RingSource",
    "Signer",
    "UnknownKey",
    "Vault",
    "VaultError",
    "WrongContext",
    "create_keyring",
    "load_keyring",
    "parse_keyring",
    "read_keyring",
    "render_keyring",
    "rewrap_batches",
    "update_keyring",
    "write_keyring",
]
