"""A minimal body that each dialect takes, and keys to go with them."""

from __future__ import annotations

import functools
import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

_SERVER = {"host": "db.example.com", "username": "reader", "passwordUnencrypted": "s3cret"}
_DATABASE = {**_SERVER, "database": "shop"}
_MINIMAL: dict[str, dict[str, Any]] = {
    "athena": {"region": "us-east-1", "username": "AKIAEXAMPLE", "passwordUnencrypted": "s3cret"},
    "bigquery": {"region": "us"},
    "clickhouse": _SERVER,
    "databricks": {
        "host": "dbc-1.cloud.databricks.com",
        "database": "main",
        "warehouse": "/sql/1.0/warehouses/1a2b3c",
        "passwordUnencrypted": "dapi123",
    },
    "databricks_lakebase": _DATABASE,
    "duckdb": {"database": ":memory:"},
    "exasol": _SERVER,
    "mariadb": _SERVER,
    "motherduck": {"database": "my_db", "passwordUnencrypted": "token"},
    "mssql": {**_DATABASE, "defaultSchema": "dbo"},
    "fabric": {**_DATABASE, "username": "client@shop.example.test"},
    "mysql": _SERVER,
    "oracle": {**_DATABASE, "acceptsLicense": True},
    "postgres": _DATABASE,
    "redshift": _DATABASE,
    "sap_hana": _SERVER,
    "snowflake": {
        "host": "myaccount",
        "database": "MYDB",
        "username": "dbuser",
        "passwordUnencrypted": "s3cret",
        "warehouse": "COMPUTE_WH",
    },
    "starrocks": _SERVER,
    "trino": {**_DATABASE, "database": "hive"},
}
NAMES = tuple(_MINIMAL)


def body(dialect: str, /, **changes: Any) -> dict[str, Any]:
    """The dialect's minimal body with changes; a value of None takes the property out."""
    filled = {"dialect": dialect, "name": "Mine", **_MINIMAL[dialect]}
    if dialect == "bigquery":
        filled["passwordUnencrypted"] = service_account()
    changed = {**filled, **changes}
    return {name: value for name, value in changed.items() if value is not None}


def service_account(**changes: Any) -> str:
    """The JSON key of a service account; a value of None takes the member out."""
    account = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "private_key": pem(),
        "client_email": "reader@my-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
        **changes,
    }
    return json.dumps({name: value for name, value in account.items() if value is not None})


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@functools.cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def pem(bits: int = 2048, passphrase: str = "", *, pkcs1: bool = False) -> str:
    """A private key as PEM text: PKCS#8 unless `pkcs1`."""
    form = serialization.PrivateFormat
    return as_pem(rsa_key(bits), form.TraditionalOpenSSL if pkcs1 else form.PKCS8, passphrase)


def as_pem(key: Any, form: Any = serialization.PrivateFormat.PKCS8, passphrase: str = "") -> str:
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


@functools.cache
def public_pem() -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return rsa_key().public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def bare(text: str) -> str:
    """The base64 body of a PEM text, in one line."""
    return "".join(line for line in text.splitlines() if not line.startswith("-----"))
