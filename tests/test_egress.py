"""Which addresses the server dials, in every spelling, and that it dials what it checked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Address, TlsPolicy
from dragoman.egress import EgressPolicy, Mode
from tests.support.servers import refusing, saying, serving, unanswering

NEVER = ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32")
NEVER_V6 = ("fe80::/10", "ff00::/8", "::/128", "fd00:ec2::254/128")
EVERYTHING = ("0.0.0.0/0", "::/0", "127.0.0.0/8", "::1")


class Resolver:
    """Gives prepared answers, one per look-up, and counts the look-ups."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


def ip_texts(policy: EgressPolicy, host: str) -> list[str]:
    return [address.ip for address in policy.resolve(host, 5432)]


def cause_of(act: Callable[[], object]) -> tuple[Stage, Cause]:
    with pytest.raises(DatabaseFailure) as caught:
        act()
    return caught.value.stage, caught.value.cause


# --- literal addresses ---

LOOPBACK_TEXTS = [
    "127.0.0.1",
    "127.8.9.10",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7F.1",
    "0177.0.0.01",
    "127.0.0.1.",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "\u2460\u2461\u2466.0.0.1",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::FFFF:7f00:1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::127.0.0.1",
    "2002:7f00:1::",
    "2001:0:7f00:1::f7f7:f7f7",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:db8::5efe:127.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "db.localhost",
    "db.localhost.",
    "\uff4c\uff4fcalhost",
]
NEVER_TEXTS = [
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.0.1",
    "169.254.170.2",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "fd00:0ec2:0:0:0:0:0:254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fe80::1",
    "224.0.0.1",
    "ff02::1",
    "0.0.0.0",
    "0",
    "0x0",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    "255.255.255.255",
    "4294967295",
]


@pytest.mark.parametrize("host", LOOPBACK_TEXTS)
@pytest.mark.parametrize("mode", ["any", "public", "private", "list"])
def test_loopback_is_denied_in_every_spelling_unless_the_server_listens_there(
    host: str, mode: Mode
) -> None:
    policy = EgressPolicy.build(mode, ["0.0.0.0/0", "::/0"], resolver=Resolver(["127.0.0.1"]))
    assert cause_of(lambda: policy.check_name(host)) == (Stage.SETTINGS, Cause.ADDRESS_DENIED)
    assert cause_of(lambda: policy.resolve(host, 1)) == (Stage.DNS, Cause.ADDRESS_DENIED)


@pytest.mark.parametrize("host", LOOPBACK_TEXTS)
def test_loopback_is_dialled_when_the_server_listens_there_or_an_entry_names_it(host: str) -> None:
    for policy in (
        EgressPolicy.build(loopback=True, resolver=Resolver(["127.0.0.1"])),
        EgressPolicy.build("any", EVERYTHING, resolver=Resolver(["127.0.0.1"])),
        EgressPolicy.build("any", ["localhost"], resolver=Resolver(["127.0.0.1"])),
    ):
        policy.check_name(host)
        assert policy.resolve(host, 1)


@pytest.mark.parametrize("host", ["localhost", "db.localhost.", "127.0.0.1"])
def test_loopback_needs_no_look_up_to_be_denied(host: str) -> None:
    for policy in (
        EgressPolicy.build(resolver=Resolver()),
        EgressPolicy.build("public", loopback=True, resolver=Resolver()),
        EgressPolicy.build("list", ["10.0.0.0/8"], loopback=True, resolver=Resolver()),
        EgressPolicy.build("list", ["*.localhost", "db.localhost"], resolver=Resolver()),
    ):
        assert cause_of(lambda p=policy: p.check_name(host))[1] is Cause.ADDRESS_DENIED
        assert cause_of(lambda p=policy: p.resolve(host, 1))[1] is Cause.ADDRESS_DENIED


@pytest.mark.parametrize("host", NEVER_TEXTS)
def test_metadata_and_the_like_are_never_dialled_whatever_is_listed(host: str) -> None:
    policy = EgressPolicy.build("any", [*EVERYTHING, "169.254.169.254", "fe80::/10"], loopback=True)
    assert cause_of(lambda: policy.check_name(host)) == (Stage.SETTINGS, Cause.ADDRESS_DENIED)
    assert cause_of(lambda: policy.resolve(host, 1)) == (Stage.DNS, Cause.ADDRESS_DENIED)


@pytest.mark.parametrize("answer", ["169.254.169.254", "fd00:ec2::254", "fe80::1%eth0", "0.0.0.0"])
def test_a_listed_name_does_not_open_the_way_to_metadata(answer: str) -> None:
    policy = EgressPolicy.build("any", ["db.example"], resolver=Resolver([answer]))
    policy.check_name("db.example")
    assert cause_of(lambda: policy.resolve("db.example", 1)) == (Stage.DNS, Cause.ADDRESS_DENIED)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("10.1.2.3", "private"),
        ("172.31.0.1", "private"),
        ("192.168.0.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12::1", "private"),
        ("::ffff:10.1.2.3", "private"),
        ("64:ff9b::10.1.2.3", "private"),
        ("8.8.8.8", "public"),
        ("172.32.0.1", "public"),
        ("2606:4700::1", "public"),
        ("2002:808:808::1", "public"),
        ("198.18.0.1", "reserved"),
    ],
)
def test_modes(address: str, kind: str) -> None:
    def allowed(mode: Mode, *allow: str) -> bool:
        policy = EgressPolicy.build(mode, allow, resolver=Resolver([address]))
        try:
            return bool(policy.resolve(address, 1) and policy.resolve("db.example", 1))
        except DatabaseFailure:
            return False

    assert allowed("any")
    assert allowed("public") == (kind == "public")
    assert allowed("private") == (kind == "private")
    assert not allowed("list")
    for mode in ("public", "private", "list"):
        assert allowed(mode, f"{ip_address(address)}")


def test_names_and_suffixes_of_the_list() -> None:
    policy = EgressPolicy.build(
        "list", ["DB.Example.", "*.internal", ".corp"], resolver=Resolver(["10.0.0.1"])
    )
    for host in ("db.example", "db.example.", "a.internal", "b.a.INTERNAL", "x.corp"):
        assert ip_texts(policy, host) == ["10.0.0.1"]
    for host in ("example", "xdb.example", "internal", "ainternal", "db.example.evil", "10.0.0.1"):
        assert cause_of(lambda host=host: policy.resolve(host, 1))[1] is Cause.ADDRESS_DENIED


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/33", "10.0.0.1/8", "a b", "", "*", "http://x", "0x7f.1"]
)
def test_a_wrong_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="egress allow entry"):
        EgressPolicy.build("list", [entry])


def test_a_wrong_mode_is_named() -> None:
    with pytest.raises(ValueError, match="egress mode 'some'"):
        EgressPolicy.build("some")  # type: ignore[arg-type]


# --- every address of the denied networks, in every form ---


def addresses(*networks: str) -> st.SearchStrategy[IPv4Address | IPv6Address]:
    return st.one_of(
        st.integers(int(net[0]), int(net[-1])).map(type(net[0]))
        for net in map(ip_network, networks)
    )


def ipv4_forms(ip: IPv4Address) -> list[str]:
    value, octets = int(ip), ip.packed
    return [
        str(ip),
        f"{ip}.",
        str(value),
        hex(value),
        hex(value).upper(),
        f"0{value:o}",
        ".".join(map(hex, octets)),
        ".".join(f"0{octet:o}" for octet in octets),
        f"{octets[0]}.{value & 0xFFFFFF}",
        f"{octets[0]}.0x{octets[1]:x}.{value & 0xFFFF}",
    ]


def ipv6_forms(ip: IPv6Address) -> list[str]:
    return [str(ip), ip.exploded, ip.exploded.upper()]


def wrapped(ip: IPv4Address) -> list[IPv6Address]:
    value = int(ip)
    return [
        IPv6Address(0xFFFF << 32 | value),
        IPv6Address(0xFFFF << 48 | value),
        IPv6Address(int(IPv6Address("64:ff9b::")) | value),
        IPv6Address(int(IPv6Address("64:ff9b:1::")) | value),
        IPv6Address(0x2002 << 112 | value << 80 | 1),
        IPv6Address(0x20010000 << 96 | value << 64),
        IPv6Address(0x20010000 << 96 | 0x08080808 << 64 | value ^ 0xFFFFFFFF),
        IPv6Address(0x2606 << 112 | 0x5EFE << 32 | value),
    ]


def assert_denied(policy: EgressPolicy, texts: Sequence[str]) -> None:
    for text in texts:
        assert cause_of(lambda text=text: policy.check_name(text))[1] is Cause.ADDRESS_DENIED, text
        outcome = cause_of(lambda text=text: policy.resolve(text, 443))
        assert outcome == (Stage.DNS, Cause.ADDRESS_DENIED), text


@given(addresses("127.0.0.0/8", *NEVER).filter(lambda ip: ip.version == 4))
def test_denied_ipv4_is_denied_in_every_form(ip: IPv4Address) -> None:
    policy = EgressPolicy.build("any", ["0.0.0.0/0", "::/0"])
    assert_denied(policy, ipv4_forms(ip))
    assert_denied(policy, [form for inner in wrapped(ip) for form in ipv6_forms(inner)])


@given(addresses("::1/128", *NEVER_V6).filter(lambda ip: ip.version == 6))
def test_denied_ipv6_is_denied_in_every_form(ip: IPv6Address) -> None:
    assert_denied(EgressPolicy.build("any", ["0.0.0.0/0", "::/0"]), ipv6_forms(ip))


@given(addresses("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"))
def test_public_mode_denies_every_private_address_in_every_form(ip: IPv4Address) -> None:
    policy = EgressPolicy.build("public", loopback=True)
    assert_denied(policy, ipv4_forms(ip))
    assert_denied(policy, [form for inner in wrapped(ip) for form in ipv6_forms(inner)])


# --- host texts ---


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a,b",
        "/var/run/postgresql",
        "@abstract",
        "user@host",
        "host?sslmode=disable",
        "host=other",
        "a b",
        " a",
        "a\n",
        "a\tb",
        "a\0b",
        "a%00b",
        "a;b",
        "a&b",
        "a\\b",
        "a'b",
        "http://a",
        "a:5432",
        "[::1]",
        "fe80::1%eth0",
        "(DESCRIPTION=(ADDRESS=))",
        "a..b",
        ".a",
        "-a",
        "a-",
        "a#b",
        "{a}",
        "1.2.3.4.5",
        "256.0.0.1",
        "08.1.1.1",
        "1.2.3.400",
        "a.1",
        "x" * 64,
        ".".join(["abc"] * 64),
        "\u0441" * 64,
        "a\u200bb..c",
        "a\u202eb c",
    ],
)
def test_texts_that_are_no_hosts_are_refused_before_dns(host: str) -> None:
    resolver = Resolver(["8.8.8.8"])
    policy = EgressPolicy.build(loopback=True, resolver=resolver)
    wrong = (Stage.SETTINGS, Cause.SETTINGS_INVALID)
    assert cause_of(lambda: policy.check_name(host)) == wrong
    assert cause_of(lambda: policy.resolve(host, 1)) == wrong
    assert cause_of(lambda: policy.connect(host, 1, 1)) == wrong
    assert resolver.asked == []


@given(st.text(max_size=300))
def test_any_text_is_a_host_or_refused(text: str) -> None:
    policy = EgressPolicy.build(resolver=Resolver(["8.8.8.8"]))
    try:
        policy.check_name(text)
    except DatabaseFailure:
        assert cause_of(lambda: policy.check_name(text))[0] is Stage.SETTINGS
    else:
        (address,) = policy.resolve(text, 1)
        assert not set(address.host) & set(" ,/@?=&;'\"\\%\n\0")


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("DB.Example", "db.example"),
        ("db.example.", "db.example."),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("my_db", "my_db"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("2db.3x", "2db.3x"),
    ],
)
def test_names_are_looked_up_in_ascii(host: str, asked: str) -> None:
    resolver = Resolver(["8.8.8.8"])
    (address,) = EgressPolicy.build(resolver=resolver).resolve(host, 443)
    assert resolver.asked == [asked]
    assert address == Address(asked.rstrip("."), "8.8.8.8", 443)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_ports_outside_the_range_are_refused(port: int) -> None:
    outcome = cause_of(lambda: EgressPolicy.build().resolve("8.8.8.8", port))
    assert outcome == (Stage.SETTINGS, Cause.SETTINGS_INVALID)


# --- URLs ---


@pytest.mark.parametrize(
    "url", ["https://login.example.com/oauth/token", "https://8.8.8.8:8443/", "HTTPS://a.example"]
)
def test_good_urls(url: str) -> None:
    EgressPolicy.build().check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://login.example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://@example.com/",
        "https://example.com\\@evil.example/",
        "https://exa mple.com/",
        "https://example.com/\n",
        "ht\ttps://example.com/",
        "https://example.com:port/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://a,b/",
    ],
)
def test_bad_urls(url: str) -> None:
    outcome = cause_of(lambda: EgressPolicy.build(loopback=True).check_url(url))
    assert outcome == (Stage.SETTINGS, Cause.SETTINGS_INVALID)


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:169.254.169.254]/",
        "https://localhost./",
        "https://2130706433/",
    ],
)
def test_urls_to_denied_hosts(url: str) -> None:
    outcome = cause_of(lambda: EgressPolicy.build().check_url(url))
    assert outcome == (Stage.SETTINGS, Cause.ADDRESS_DENIED)


# --- look-ups ---


def test_a_name_that_rebinds_is_looked_up_once_and_the_checked_address_is_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dialled: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, place: dialled.append(place))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: pytest.fail("second look-up"))
    resolver = Resolver(["93.184.216.34"], ["127.0.0.1"])
    sock, address = EgressPolicy.build(resolver=resolver).connect("rebind.example", 5432, 1)
    sock.close()
    assert resolver.asked == ["rebind.example"]
    assert dialled == [("93.184.216.34", 5432)]
    assert address == Address("rebind.example", "93.184.216.34", 5432)


def test_the_second_answer_of_a_rebinding_name_is_checked_as_well() -> None:
    policy = EgressPolicy.build(resolver=Resolver(["93.184.216.34"], ["127.0.0.1"]))
    assert ip_texts(policy, "rebind.example") == ["93.184.216.34"]
    assert cause_of(lambda: policy.resolve("rebind.example", 1))[1] is Cause.ADDRESS_DENIED


def test_denied_addresses_are_left_out_of_a_mixed_answer() -> None:
    answer = ["127.0.0.1", "10.0.0.1", "8.8.8.8", "::1"]
    assert ip_texts(EgressPolicy.build("public", resolver=Resolver(answer)), "a") == ["8.8.8.8"]


def test_a_denial_says_why_and_what_to_do() -> None:
    policy = EgressPolicy.build("public", resolver=Resolver(["10.0.0.1"]))
    with pytest.raises(DatabaseFailure) as caught:
        policy.resolve("db.example", 1)
    assert str(caught.value) == "This server may not connect to db.example: 10.0.0.1 is private."
    assert "egress_allow" in (caught.value.fix or "")


def test_unknown_names() -> None:
    def unknown(name: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    for resolver in (unknown, Resolver([]), Resolver(["rubbish"])):
        policy = EgressPolicy.build(resolver=resolver)
        assert cause_of(lambda p=policy: p.resolve("a", 1)) == (Stage.DNS, Cause.HOST_NOT_FOUND)


def test_a_look_up_that_hangs_ends_at_the_deadline() -> None:
    release = threading.Event()

    def hanging(name: str) -> Sequence[str]:
        release.wait(30)
        return ()

    policy = EgressPolicy.build(resolver=hanging)
    began = time.monotonic()
    try:
        outcome = cause_of(lambda: policy.connect("slow.example", 1, 0.2))
    finally:
        release.set()
    assert outcome == (Stage.DNS, Cause.TIMEOUT)
    assert time.monotonic() - began < 2


def test_the_system_resolver_knows_localhost() -> None:
    found = ip_texts(EgressPolicy.build(loopback=True), "localhost")
    assert found
    assert set(found) <= {"127.0.0.1", "::1"}


# --- dialling ---


def test_connect_tries_the_addresses_in_turn() -> None:
    policy = EgressPolicy.build(loopback=True, resolver=Resolver(["127.0.0.2", "127.0.0.1"]))
    with serving(saying(b"hello")) as port:
        sock, address = policy.connect("db.example", port, 5)
        with sock:
            assert sock.recv(5) == b"hello"
            assert sock.gettimeout() is None
            assert sock.getpeername() == (address.ip, address.port) == ("127.0.0.1", port)


def test_a_silent_first_address_leaves_time_for_the_second() -> None:
    policy = EgressPolicy.build(loopback=True, resolver=Resolver(["127.0.0.1", "127.0.0.2"]))
    with unanswering() as port, serving(saying(b""), ("127.0.0.2", port)):
        sock, address = policy.connect("db.example", port, 1)
        sock.close()
    assert address.ip == "127.0.0.2"


def test_connect_refused() -> None:
    with refusing() as port, pytest.raises(DatabaseFailure) as caught:
        EgressPolicy.build(loopback=True).connect("127.0.0.1", port, 5)
    assert (caught.value.stage, caught.value.cause) == (Stage.TCP, Cause.REFUSED)
    assert str(port) in caught.value.message
    assert caught.value.fix


def test_connect_to_a_port_that_never_answers() -> None:
    policy = EgressPolicy.build(loopback=True, resolver=Resolver(["127.0.0.1", "127.0.0.1"]))
    began = time.monotonic()
    with unanswering() as port:
        outcome = cause_of(lambda: policy.connect("db.example", port, 0.6))
    assert outcome == (Stage.TCP, Cause.TIMEOUT)
    assert 0.5 < time.monotonic() - began < 2


def test_connect_without_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_route(sock: socket.socket, place: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket.socket, "connect", no_route)
    outcome = cause_of(lambda: EgressPolicy.build().connect("8.8.8.8", 1, 1))
    assert outcome == (Stage.TCP, Cause.UNREACHABLE)


def test_a_denied_address_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_a, **_k: pytest.fail("a socket was made"))
    assert cause_of(lambda: EgressPolicy.build().connect("127.0.0.1", 1, 1))[1] is (
        Cause.ADDRESS_DENIED
    )


# --- what the operator reads ---


def test_describe() -> None:
    policy = EgressPolicy.build(
        "list", ["10.0.0.0/8", "db.example", ".corp"], tls=TlsPolicy(plaintext="private")
    )
    assert policy.describe() == (
        "egress list: no others; loopback denied; listed: 10.0.0.0/8, db.example, *.corp; "
        "never: cloud metadata, link-local, multicast; databases without TLS: in private networks"
    )
    assert (
        EgressPolicy.build(loopback=True)
        .describe()
        .startswith(
            "egress any: private, public, reserved addresses; loopback allowed; listed: nothing;"
        )
    )
