"""Marked secrets for every dialect go through the success and the failure of everything; then all
that the server wrote, answered and shows of itself is searched for the marks: none.

Superset CVE-2021-41972, CVE-2021-44451, CVE-2023-42505; Redash 554.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from tests.support.bodies import NAMES, as_pem, body, pem, rsa_key, service_account
from tests.support.engines import Engine
from tests.support.live import CONNECTIONS, LiveServer, command_line, live_server
from tests.support.server import running_server, settings_for

ENVIRONMENTS = "/api/v1/connection-environments"
NOWHERE = {"host": "127.0.0.1", "port": 1}
# A reference may be named where a secret is; what it names may not.
VARIABLE, FILE = "DRAGOMAN_SECRET_CANARY", "canary-file"


@dataclass
class Marks:
    """The marks, and everything that is searched for them."""

    marks: dict[str, bytes] = field(default_factory=dict)
    haystacks: dict[str, bytes] = field(default_factory=dict)
    answers: int = 0

    def new(self, name: str) -> str:
        """A secret with characters that URLs, JSON, SQL and shells write in their own ways."""
        mark = f"Canary{secrets.token_hex(6)}"
        self.marks[name] = mark.encode()
        return f"{mark}/'\"\\ &%{mark}"

    def key(self, name: str, text: str) -> str:
        """Mark a private key by a part of its body."""
        lines = text.replace("\\n", "\n").splitlines()
        self.marks[name] = lines[len(lines) // 2].strip()[:40].encode()
        return text

    def keep(self, answer: httpx.Response) -> httpx.Response:
        self.answers += 1
        seen = answer.content + repr(answer.headers.raw).encode()
        name = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
        self.haystacks[f"{self.answers} {name}"] = seen
        return answer

    def found(self) -> list[tuple[str, str, str]]:
        """(mark, form, place) of each mark that shows somewhere."""
        return [
            (name, form, place)
            for name, mark in self.marks.items()
            for form, needle in forms(mark)
            for place, hay in self.haystacks.items()
            if needle in hay
        ]


def forms(mark: bytes) -> Iterator[tuple[str, bytes]]:
    """The ways in which a mark may be written."""
    yield "plain", mark
    yield "reversed", mark[::-1]
    yield "hex", mark.hex().encode()
    yield "HEX", mark.hex().upper().encode()
    yield "UTF-16", mark.decode().encode("utf-16-le")
    yield "every character escaped", "".join(f"%{byte:02X}" for byte in mark).encode()
    yield "URL", quote(mark).encode()
    yield "JSON escapes", "".join(f"\\u{byte:04x}" for byte in mark).encode()
    for shift in range(3):
        for name, encode in (
            ("base64", base64.b64encode),
            ("URL base64", base64.urlsafe_b64encode),
        ):
            # The first and last characters depend on the neighbours.
            whole = encode(b"\0" * shift + mark)
            inner = whole[(0, 2, 3)[shift] : len(whole) - 4]
            yield f"{name} {shift}", inner
            yield f"reversed {name} {shift}", inner[::-1]


def test_the_search_finds_each_form() -> None:
    marks = Marks({"x": b"Canary0123456789ab"})
    texts = [form for form, _ in forms(b"Canary0123456789ab")]
    for prefix in (b"", b"a", b"ab"):
        marks.haystacks = {"hay": base64.b64encode(prefix + b"Canary0123456789ab" + b"tail")}
        assert marks.found(), prefix
    marks.haystacks = {"hay": b"Canary0123456789a"}
    assert not marks.found()
    assert len(texts) == len(set(texts))


def bodies(marks: Marks) -> dict[str, dict[str, Any]]:
    """A marked body for every dialect and every way to sign in that has a secret of its own."""
    made: dict[str, dict[str, Any]] = {}
    for dialect in NAMES:
        sent = body(dialect, name=f"canary {dialect}")
        if dialect == "bigquery":
            account = marks.key("bigquery key", service_account())
            marks.marks["bigquery key"] = pem().splitlines()[9][:40].encode()
            sent["passwordUnencrypted"] = account
        elif "passwordUnencrypted" in sent:
            sent["passwordUnencrypted"] = marks.new(f"{dialect} password")
        made[dialect] = sent
    passphrase = marks.new("passphrase")
    private = as_pem(rsa_key(), passphrase=passphrase)
    made["snowflake key pair"] = {
        **made["snowflake"],
        "name": "canary key pair",
        "authenticationType": None,
        "privateKey": marks.key("private key", private),
        "passwordUnencrypted": passphrase,
    }
    made["snowflake plain key"] = {
        **made["snowflake"],
        "passwordUnencrypted": None,
        "privateKey": marks.key("plain key", pem()),
    }
    made["databricks oauth"] = {
        **made["databricks"],
        "oauthClientId": "client",
        "oauthClientSecretUnencrypted": marks.new("oauth secret"),
    }
    for name, reference in (("variable", f"env:{VARIABLE}"), ("file", f"file:{FILE}")):
        made[name] = body("postgres", **NOWHERE, name=name, passwordUnencrypted=None)
        made[name]["passwordUnencrypted"] = {"$secret": reference}
    return made


def _exercise(server: LiveServer, marks: Marks, sent: dict[str, Any]) -> None:
    """Every operation on one connection, in its good and its bad ways."""
    call, keep = server.root, marks.keep
    sent = {name: value for name, value in sent.items() if value is not None}
    hidden = {k: v for k, v in sent.items() if k in _SECRETS}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    made = ""
    for headers in (key, key, {}):
        answer = keep(call.post(CONNECTIONS, json=sent, headers=headers))
        if answer.status_code == 201:
            made = answer.json()["data"]
    keep(call.post(CONNECTIONS, json={**sent, "name": "other"}, headers=key))
    keep(call.post(CONNECTIONS, json={**sent, "nmae": 1, "port": "x", "unknown": hidden}))
    keep(call.post(CONNECTIONS, json={**sent, **dict.fromkeys(("host", "name", "region"), hidden)}))
    keep(call.post(CONNECTIONS, json=sent, headers={"Prefer": "handling=strict"}))
    keep(call.post(f"{CONNECTIONS}?test=true", json=sent))
    keep(call.post(f"{CONNECTIONS}/test", json=sent))
    keep(call.post(CONNECTIONS, content=json.dumps(sent).encode()[:-1]))
    for name, value in hidden.items():
        for wrong in ([value], {"value": value}, {"$secret": value}, {"$secret": f"env:{value}"}):
            keep(call.post(CONNECTIONS, json={**sent, name: wrong}))
    if not made:
        return
    one = f"{CONNECTIONS}/{made}"
    keep(call.get(one))
    keep(call.post(f"{one}/test"))
    keep(call.post(f"{one}/query", json={"sql": "SELECT 1"}))
    keep(call.patch(one, json={**hidden, "name": "renamed"}))
    keep(call.patch(one, json={"host": "elsewhere.example.com", "database": "elsewhere"}))
    keep(call.patch(one, json={"database": "elsewhere", **hidden}))
    keep(call.post(ENVIRONMENTS, json={"baseConnectionId": made, "environmentConnectionIds": []}))
    keep(call.delete(one))
    keep(call.delete(one))
    keep(call.post(f"{one}/restore"))
    keep(call.post(f"{one}/restore", json={"dialect": "mysql", **hidden}))
    keep(call.post(f"{one}/restore", json=hidden))
    keep(call.post(f"{one}/test"))


_SECRETS = ("passwordUnencrypted", "privateKey", "oauthClientSecretUnencrypted")


def _with_a_database(server: LiveServer, marks: Marks, engine: Engine) -> None:
    """A role whose password is marked signs in, asks, and fails, on a real server."""
    password = marks.new("postgres role")
    role = f"canary_{secrets.token_hex(4)}"
    with psycopg.connect(engine.url("postgresql"), autocommit=True) as admin:
        admin.execute(
            psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                psycopg.sql.Identifier(role), psycopg.sql.Literal(password)
            )
        )
    where = {
        "host": engine.host, "port": engine.port, "database": engine.database, "username": role,
    }  # fmt: skip
    made = server.create("postgres", **where, passwordUnencrypted=password)
    marks.keep(server.root.post(f"{CONNECTIONS}/{made}/test"))
    for sql in ("SELECT 1", "SELECT 1/0", "SELEC", "SELECT * FROM nowhere", "DROP TABLE x",
                "SELECT rolpassword FROM pg_authid", "SELECT current_setting('x.y')"):  # fmt: skip
        asked = {"sql": sql}
        marks.keep(server.root.post(f"{CONNECTIONS}/{made}/query", json=asked))
    wrong = server.create("postgres", **where, passwordUnencrypted=marks.new("wrong password"))
    marks.keep(server.root.post(f"{CONNECTIONS}/{wrong}/test"))
    marks.keep(server.root.post(f"{CONNECTIONS}/{wrong}/query", json={"sql": "SELECT 1"}))


def _look_around(server: LiveServer, marks: Marks) -> None:
    """What the server tells of itself, and what its command line prints."""
    for path in ("/metrics", "/openapi.json", "/readyz", "/docs", "/api/v1/audit-log?pageSize=100",
                 CONNECTIONS, f"{CONNECTIONS}?includeDeleted=true", ENVIRONMENTS):  # fmt: skip
        marks.keep(server.root.get(path))
    for line in ("connections export", "connections list", "keys rotate", "keys list", "config",
                 "token list", "keys drop-retired"):  # fmt: skip
        arguments = line.split()
        marks.haystacks[" ".join(arguments)] = command_line(server.home, *arguments).encode()
    process = Path("/proc") / str(server.pid)
    for name in ("cmdline", "environ", "comm", "maps"):
        marks.haystacks[f"/proc/{name}"] = (process / name).read_bytes()


def _read_home(home: Path, marks: Marks) -> None:
    for path in home.rglob("*"):
        if path.is_file():
            marks.haystacks[str(path.relative_to(home))] = path.read_bytes()


@pytest.mark.engine("postgres")
@pytest.mark.timeout(240)
def test_no_mark_shows_anywhere(tmp_path: Path, postgres_server: Engine) -> None:
    marks, home = Marks(), tmp_path / "home"
    directory = tmp_path / "mounted"
    directory.mkdir()
    (directory / FILE).write_text(marks.new("file"))
    variables = {VARIABLE: marks.new("variable")}
    with live_server(
        home,
        variables=variables,
        log_level="debug",
        log_format="json",
        secret_directories=directory,
        egress="list",
        egress_allow="127.0.0.1",
    ) as server:
        token = server.token
        for sent in bodies(marks).values():
            _exercise(server, marks, sent)
        _with_a_database(server, marks, postgres_server)
        _look_around(server, marks)
        _read_home(home, marks)
        assert any(name.endswith("-wal") for name in marks.haystacks)
        assert len(marks.haystacks["server.log"]) > 50_000
        # Killed, so that nothing is tidied away before we look again.
        server.kill()
        _read_home(home, marks)
    assert marks.answers > 500
    assert sum(" 201" in name for name in marks.haystacks) > 40
    assert len(marks.marks) > 20
    found = [
        (name, form, place)
        for name, form, place in marks.found()
        # The operator put this one there.
        if (name, place) != ("variable", "/proc/environ")
    ]
    assert found == []
    marks.marks = {"token": token.encode()}
    assert marks.found() == []


@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_fault_of_ours_shows_no_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], level: str
) -> None:
    """Each step of a create fails in turn, as a programming error would."""
    from dragoman import audit
    from dragoman.connections import secrets as room
    from dragoman.connections import service
    from dragoman.identity import service as identity
    from dragoman.vault import Vault

    marks = Marks()
    failing: list[tuple[Any, str]] = [
        (audit, "record"), (room, "put"), (service, "create"), (identity, "role_name"),
        (Vault, "seal"), (Vault, "open"), (Vault, "fingerprint"), (room, "reveal"),
        (service, "detail"), (service, "change"), (service, "restore"),
    ]  # fmt: skip
    with running_server(settings_for(tmp_path / "home", log_level=level)) as server:
        first = server.create("postgres", **NOWHERE)
        for place, name in failing:
            with contextlib.ExitStack(), monkeypatch.context() as patch:

                def broken(*_arguments: Any, **_named: Any) -> Any:
                    raise RuntimeError("a fault of ours")

                patch.setattr(place, name, broken)
                sent = body("postgres", **NOWHERE, passwordUnencrypted=marks.new(name))
                key = {"Idempotency-Key": str(uuid.uuid4())}
                marks.keep(server.root.post(CONNECTIONS, json=sent, headers=key))
                one = f"{CONNECTIONS}/{first}"
                marks.keep(server.root.patch(one, json=sent))
                marks.keep(server.root.get(one))
                marks.keep(server.root.post(f"{one}/test"))
                marks.keep(server.root.post(f"{one}/query", json={"sql": "SELECT 1"}))
    statuses = [name.rpartition(" ")[2] for name in marks.haystacks]
    assert statuses.count("500") >= len(failing)
    printed = capfd.readouterr()
    assert "a fault of ours" in printed.err
    for place, text in marks.haystacks.items():
        assert b"Traceback" not in text, place
        assert b"a fault of ours" not in text, place
    marks.haystacks["log"] = (printed.out + printed.err).encode()
    _read_home(tmp_path / "home", marks)
    assert marks.found() == []
