"""Probes over real sockets: good servers pass, bad ones fail with the right cause, none hangs."""

from __future__ import annotations

import contextlib
import copy
import socket
import ssl
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import (
    Address,
    MysqlGreeting,
    Plaintext,
    TlsPolicy,
    mysql_greeting,
    mysql_starttls,
    postgres_starttls,
    probe_tls,
)
from tests.support.certificates import Certificates, ServerCertificate
from tests.support.engines import Engine
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import connected, saying, serving, tls_handler


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 5)


def failure_of(act: Callable[[], object]) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught:
        act()
    return caught.value


def tls_failure(
    pair: ServerCertificate, ca_file: Path | None, name: str = "localhost", *, reopen: bool = False
) -> DatabaseFailure:
    with serving(tls_handler(pair)) as port:
        again = (lambda: dial(port)) if reopen else None
        policy = TlsPolicy(ca_file)
        failure = failure_of(lambda: probe_tls(dial(port), name, policy, timeout=5, reopen=again))
    assert failure.stage is Stage.TLS
    assert failure.fix
    return failure


# --- failures ---


def test_stages_are_in_the_order_of_a_connection() -> None:
    assert [str(stage) for stage in Stage] == (
        [
            "settings",
            "driver",
            "dns",
            "tcp",
            "tls",
            "authentication",
            "database",
            "schema",
            "privileges",
            "query",
        ]
    )


def test_a_failure_survives_copying() -> None:
    failure = DatabaseFailure(Stage.QUERY, Cause.READ_ONLY, "no", "grant", "25006")
    again = copy.copy(failure)  # by __reduce__, as between processes
    assert repr(again) == repr(failure)
    assert repr(failure) == ("DatabaseFailure(query/read_only: 'no', fix='grant', code='25006')")
    assert str(again) == "no"


# --- where plain text is allowed ---


@pytest.mark.parametrize(
    ("ip", "loopback", "private"),
    [
        ("127.0.0.1", True, True),
        ("::1", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("10.0.0.1", False, True),
        ("100.64.0.1", False, True),
        ("fd00::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("8.8.8.8", False, False),
        ("2606:4700::1", False, False),
        ("2002:0a00:0001::", False, False),
        ("64:ff9b::10.0.0.1", False, False),
    ],
)
def test_plaintext(ip: str, loopback: bool, private: bool) -> None:
    address = Address("db.example", ip, 5432)
    cases: list[tuple[Plaintext, bool]] = [
        ("loopback", loopback),
        ("private", private),
        ("never", False),
    ]
    for setting, allowed in cases:
        assert TlsPolicy(plaintext=setting).allows_plaintext(address) is allowed


# --- TLS ---


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_good_certificate_of_the_operators_authority(
    certificates: Certificates, name: str
) -> None:
    with serving(tls_handler(certificates.good)) as port:
        policy = TlsPolicy(certificates.ca_file)
        with probe_tls(dial(port), name, policy) as secured:
            assert secured.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_the_environment_changes_nothing(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, variable: str, tmp_path: Path
) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_text("not a certificate")
    monkeypatch.setenv(variable, str(garbage))
    test_a_good_certificate_of_the_operators_authority(certificates, "localhost")
    monkeypatch.setenv(variable, str(certificates.other_ca_file))
    failure = tls_failure(certificates.other_ca, certificates.ca_file)
    assert failure.cause is Cause.TLS_UNTRUSTED
    assert TlsPolicy().ca_path() != str(certificates.other_ca_file)


def test_untrusted(certificates: Certificates) -> None:
    for pair, ca_file in (
        (certificates.other_ca, certificates.ca_file),
        (certificates.good, None),
    ):
        failure = tls_failure(pair, ca_file)
        assert failure.cause is Cause.TLS_UNTRUSTED
        assert "tls_ca_file" in (failure.fix or "")


def test_expired(certificates: Certificates) -> None:
    failure = tls_failure(certificates.expired, certificates.ca_file)
    assert failure.cause is Cause.TLS_UNTRUSTED
    assert "has expired" in failure.message


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_wrong_host_name(certificates: Certificates, name: str) -> None:
    failure = tls_failure(certificates.other_host, certificates.ca_file, name)
    assert failure.cause is Cause.TLS_HOSTNAME
    assert name in failure.message
    failure = tls_failure(certificates.other_host, certificates.ca_file, name, reopen=True)
    assert failure.cause is Cause.TLS_HOSTNAME
    assert "db.elsewhere.example" in failure.message


def test_a_reopening_that_fails_keeps_the_first_answer(certificates: Certificates) -> None:
    def gone() -> socket.socket:
        raise ConnectionRefusedError

    with serving(tls_handler(certificates.other_host)) as port:
        policy = TlsPolicy(certificates.ca_file)
        failure = failure_of(lambda: probe_tls(dial(port), "localhost", policy, reopen=gone))
    assert failure.cause is Cause.TLS_HOSTNAME


def test_without_verification_everything_passes(certificates: Certificates) -> None:
    for pair in (certificates.other_ca, certificates.other_host, certificates.expired):
        with serving(tls_handler(pair)) as port:
            probe_tls(dial(port), "localhost", TlsPolicy(), verify=False).close()


def test_old_protocol_versions_are_refused(certificates: Certificates) -> None:
    assert TlsPolicy().context().minimum_version is ssl.TLSVersion.TLSv1_2
    assert TlsPolicy().context(verify=False).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"N"])
def test_a_plain_port(greeting: bytes) -> None:
    with connected(greeting) as client:
        failure = failure_of(lambda: probe_tls(client, "localhost", TlsPolicy(), timeout=5))
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)


def test_a_server_that_hangs_up() -> None:
    with serving(lambda client: None) as port:
        failure = failure_of(lambda: probe_tls(dial(port), "localhost", TlsPolicy()))
    assert failure.cause is Cause.TLS_UNSUPPORTED


def dribble(client: socket.socket) -> None:
    """One byte of a large record at a time: each read succeeds, the whole never ends."""
    client.sendall(b"\x16\x03\x03\x40\x00")
    while True:
        client.sendall(b"\0")
        time.sleep(0.05)


@pytest.mark.parametrize("handler", [saying(b""), dribble])
def test_a_server_that_never_finishes_meets_the_deadline(
    handler: Callable[[socket.socket], None],
) -> None:
    with serving(handler) as port:
        began = time.monotonic()
        failure = failure_of(lambda: probe_tls(dial(port), "localhost", TlsPolicy(), timeout=0.4))
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TIMEOUT)
    assert time.monotonic() - began < 2 + SLOW_MACHINE


@pytest.mark.parametrize("name", ["", ".a", "a\0b", "x" * 300, "\ud800"])
def test_an_impossible_name_is_a_failure_too(certificates: Certificates, name: str) -> None:
    failure = tls_failure(certificates.good, certificates.ca_file, name)
    assert failure.cause is Cause.TLS_HOSTNAME


def test_an_unreadable_ca_file_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in (tmp_path / "missing.pem", empty, tmp_path):
        with connected(b"") as client:
            failure = failure_of(lambda p=path, c=client: probe_tls(c, "localhost", TlsPolicy(p)))
            assert client.fileno() == -1
        assert (failure.stage, failure.cause) == (Stage.SETTINGS, Cause.SETTINGS_INVALID)
        assert str(path) in failure.message
    missing = TlsPolicy(tmp_path / "missing.pem")
    assert failure_of(missing.ca_path).cause is Cause.SETTINGS_INVALID


def test_the_file_for_drivers_trusts_what_the_context_trusts(certificates: Certificates) -> None:
    policy = TlsPolicy(certificates.ca_file)
    by_file = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    by_file.load_verify_locations(cafile=policy.ca_path())
    trusted = {bytes(der) for der in by_file.get_ca_certs(binary_form=True)}
    assert trusted == {bytes(der) for der in policy.context().get_ca_certs(binary_form=True)}
    assert len(trusted) > len(TlsPolicy().context().get_ca_certs())
    assert policy.ca_path() == policy.ca_path()


# --- PostgreSQL ---


def test_postgres_offers_tls(certificates: Certificates) -> None:
    def starttls(client: socket.socket) -> None:
        assert client.recv(8) == bytes.fromhex("0000000804d2162f")
        client.sendall(b"S")

    with serving(tls_handler(certificates.good, starttls)) as port:
        sock = dial(port)
        assert postgres_starttls(sock)
        probe_tls(sock, "localhost", TlsPolicy(certificates.ca_file)).close()


def test_postgres_without_tls() -> None:
    with connected(b"N", close=False) as client:
        assert not postgres_starttls(client)


def test_postgres_bytes_sent_ahead_are_not_read() -> None:
    with connected(b"Sstuffed", close=False) as client:
        assert postgres_starttls(client)
        assert client.recv(7) == b"stuffed"


@pytest.mark.parametrize("probe", [postgres_starttls, mysql_greeting])
def test_silence_and_hanging_up(probe: Callable[..., object]) -> None:
    with connected(b"", close=False) as client:
        failure = failure_of(lambda: probe(client, timeout=0.2))
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TIMEOUT)
    with connected(b"") as client:
        failure = failure_of(lambda: probe(client, timeout=5))
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.CONNECTION_LOST)


# --- MySQL ---


def packet(payload: bytes, sequence: int = 0) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def greeting(version: str, capabilities: int) -> bytes:
    lower, upper = capabilities & 0xFFFF, capabilities >> 16
    fixed = struct.pack("<I8sBHBHHB10x", 77, b"scramble", 0, lower, 45, 2, upper, 21)
    return packet(b"\x0a" + version.encode() + b"\0" + fixed + b"more-scramble\0plugin\0")


def test_mysql_greeting() -> None:
    with connected(greeting("8.4.3", 0xFFFFFFFF)) as client:
        assert mysql_greeting(client) == MysqlGreeting("8.4.3", True, 77)
    with connected(greeting("5.5.5-10.11.6-MariaDB", 0xFFFFF7FF)) as client:
        assert mysql_greeting(client) == MysqlGreeting("5.5.5-10.11.6-MariaDB", False, 77)


def test_mysql_starts_tls(certificates: Certificates) -> None:
    requests: list[bytes] = []

    def starttls(client: socket.socket) -> None:
        client.sendall(greeting("8.4.3", 0xFFFFFFFF))
        requests.append(client.recv(36, socket.MSG_WAITALL))

    with serving(tls_handler(certificates.good, starttls)) as port:
        sock = dial(port)
        assert mysql_greeting(sock).offers_tls
        mysql_starttls(sock)
        probe_tls(sock, "localhost", TlsPolicy(certificates.ca_file)).close()
    (request,) = requests
    assert request[:4] == b"\x20\0\0\x01"
    assert int.from_bytes(request[4:8], "little") & 0x0A00 == 0x0A00


@pytest.mark.parametrize(
    ("payload", "cause", "code", "text"),
    [
        (b"\xff\x10\x04Too many connections", Cause.TOO_MANY_CONNECTIONS, "1040", "Too many"),
        (b"\xff\x69\x04Host 'x' is blocked", Cause.PERMISSION_DENIED, "1129", "is blocked"),
        (b"\xff\x6a\x04#HY000Host 'x' is not", Cause.PERMISSION_DENIED, "1130", "away: Host"),
        (b"\xff\x01\x04a\nb\x1b[2Jc", Cause.OTHER, "1025", "a b [2Jc"),
    ],
)
def test_mysql_turns_away(payload: bytes, cause: Cause, code: str, text: str) -> None:
    with connected(packet(payload)) as client:
        failure = failure_of(lambda: mysql_greeting(client))
    assert (failure.stage, failure.cause, failure.code) == (Stage.AUTHENTICATION, cause, code)
    assert text in failure.message


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        packet(b""),
        packet(b"\xff\x10"),
        packet(b"\x09old\0" + b"\0" * 40),
        packet(b"\x0a8.0"),
        packet(b"\x0a8.0\0short"),
        packet(b"\x0a8.0\0" + b"\0" * 40, sequence=1),
        b"\xff\xff\xff\0" + b"x" * 2000,
    ],
)
def test_something_else_than_mysql(sent: bytes) -> None:
    with connected(sent) as client:
        failure = failure_of(lambda: mysql_greeting(client, timeout=5))
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.OTHER)


# --- real engines ---


@pytest.mark.engine("postgres")
def test_real_postgres_without_tls(postgres_server: Engine) -> None:
    with dial(postgres_server.port) as sock:
        assert not postgres_starttls(sock)


@pytest.mark.engine("postgres")
def test_real_postgres_with_tls(postgres_tls_server: Engine) -> None:
    sock = dial(postgres_tls_server.port)
    assert postgres_starttls(sock)
    probe_tls(sock, "localhost", TlsPolicy(postgres_tls_server.ca_file)).close()

    def reopen() -> socket.socket:
        again = dial(postgres_tls_server.port)
        assert postgres_starttls(again)
        return again

    policy = TlsPolicy(postgres_tls_server.ca_file)
    failure = failure_of(lambda: probe_tls(reopen(), "db.example", policy, reopen=reopen))
    assert failure.cause is Cause.TLS_HOSTNAME
    assert "localhost" in failure.message


@pytest.mark.engine("mariadb")
def test_real_mariadb_without_tls(mariadb_server: Engine) -> None:
    with dial(mariadb_server.port) as sock:
        found = mysql_greeting(sock)
    assert "MariaDB" in found.version
    assert not found.offers_tls


@pytest.mark.engine("mariadb")
def test_real_mariadb_with_tls(mariadb_tls_server: Engine) -> None:
    for ca_file, cause in ((mariadb_tls_server.ca_file, None), (None, Cause.TLS_UNTRUSTED)):
        sock = dial(mariadb_tls_server.port)
        assert mysql_greeting(sock).offers_tls
        mysql_starttls(sock)
        if cause is None:
            probe_tls(sock, "localhost", TlsPolicy(ca_file)).close()
        else:
            failure = failure_of(lambda s=sock: probe_tls(s, "localhost", TlsPolicy()))
            assert failure.cause is cause


# --- hostile servers ---

hostile = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(packet),
    st.binary(max_size=100).map(lambda tail: packet(b"\x0a" + tail)),
    st.binary(max_size=100).map(lambda tail: packet(b"\xff" + tail)),
    st.binary(max_size=100).map(lambda tail: b"\x16\x03\x03" + tail),
    st.binary(max_size=100).map(lambda tail: b"\x15\x03\x03\x00\x02" + tail),
)


def message_of(probe: Callable[[socket.socket], object], client: socket.socket) -> str:
    """The message of the failure; empty when the probe is content."""
    try:
        probe(client)
    except DatabaseFailure as failure:
        return failure.message
    return ""


@settings(max_examples=200)
@given(hostile)
@example(packet(b"\x0a" + b"\xff" * 30 + b"\0" + b"\xff" * 15))
def test_random_bytes_never_raise_anything_else(sent: bytes) -> None:
    probes: list[Callable[[socket.socket], object]] = [
        lambda sock: postgres_starttls(sock, timeout=2),
        lambda sock: mysql_greeting(sock, timeout=2),
        lambda sock: probe_tls(sock, "localhost", TlsPolicy(), verify=False, timeout=2),
    ]
    for probe in probes:
        with connected(sent) as client:
            message = message_of(probe, client)
        assert message.isprintable()
        assert len(message) < 400


@settings(max_examples=15)
@given(hostile)
def test_random_bytes_and_then_silence_never_hang(sent: bytes) -> None:
    began = time.monotonic()
    for probe in (postgres_starttls, mysql_greeting):
        with connected(sent, close=False) as client, contextlib.suppress(DatabaseFailure):
            probe(client, timeout=0.1)
    assert time.monotonic() - began < 3 + SLOW_MACHINE
