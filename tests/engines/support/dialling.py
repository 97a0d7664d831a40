"""What each driver that dials by itself does where its server is not; a test file of each asks.

`dial(port, host="localhost", **tls)` connects, expects that it fails, and gives the failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import refusing, saying, serving

Dial = Callable[..., DatabaseFailure]
STRANGERS = (b"", bytes(range(256)) * 40, b"HTTP/1.1 400\r\n\r\n", bytes(64))
wrong_certificates = pytest.mark.parametrize(
    ("pair", "cause"),
    [
        ("other_ca", Cause.TLS_UNTRUSTED),
        ("expired", Cause.TLS_UNTRUSTED),
        ("other_host", Cause.TLS_HOSTNAME),
    ],
)


def no_host_and_no_server(dial: Dial) -> None:
    failure = dial(1, "no-such-host.invalid")
    assert (failure.stage, failure.cause) == (Stage.DNS, Cause.HOST_NOT_FOUND)
    with refusing() as port:
        failure = dial(port)
    assert (failure.stage, failure.cause) == (Stage.TCP, Cause.REFUSED)


def a_stranger(dial: Dial, noise: bytes) -> None:
    """A failure, and not a hang; the limits of `dial` are a few seconds."""
    started = time.monotonic()
    with serving(saying(noise)) as port:
        assert dial(port).stage in {Stage.TLS, Stage.AUTHENTICATION}
    assert time.monotonic() - started < 5 + SLOW_MACHINE
