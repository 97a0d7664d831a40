"""Signed calls to AWS, through the door and nowhere else.

botocore's clients would read profile files, ask the metadata service and obey proxies and CA
variables of the environment. Only its signature is used; the calls needed here are few.

Source: API references of Athena, STS, Redshift and Redshift Serverless; AWS Signature Version 4.
"""

from __future__ import annotations

import html
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from dragoman.dialects.adapters.aws.errors import ApiError
from dragoman.dialects.adapters.clickhouse.door import Door
from dragoman.dialects.adapters.exchange import Exchange
from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network

PORT: Final = 443
_PAUSES: Final = (0.2, 0.4, 0.8)
_AGAIN: Final = frozenset({"ThrottlingException", "TooManyRequestsException", "Throttling"})


@dataclass(frozen=True, slots=True)
class Service:
    """A service of AWS by the name in its hosts and signatures.

    `version`: of its API, where it speaks the query protocol. `prefix`: of its operations, where it
    speaks the JSON protocol.
    """

    name: str
    version: str = ""
    prefix: str = ""


STS: Final = Service("sts", version="2011-06-15")


class AwsDoor(Door):
    """The door to one endpoint of AWS: always TLS, always verified."""

    def __init__(self, host: str, network: Network, seconds: float) -> None:
        super().__init__(Target("aws", {"host": host, "port": PORT}, {}), network, seconds)

    def open(self) -> socket.socket:
        """See `Door.open`."""
        sock = super().open()
        if not isinstance(sock, ssl.SSLSocket):
            sock.close()
            said = f"What answers as {self._target.host} offers no TLS."
            raise DatabaseFailure(Stage.TLS, Cause.TLS_UNSUPPORTED, said)
        return sock


class Endpoint:
    """One service of one region. `seconds` is how long an answer may take; it may be set."""

    def __init__(self, service: Service, region: str, network: Network, seconds: float) -> None:
        self.host = endpoint_host(service.name, region)
        self.door = AwsDoor(self.host, network, seconds)
        self.seconds = seconds
        self._service = service
        self._region = region
        self._exchange = Exchange(self.door, self.host, PORT)

    def json(self, operation: str, body: Mapping[str, Any], credentials: Any) -> dict[str, Any]:
        """A call of the JSON protocol. Raises `ApiError`, `Interrupted` and others."""
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"{self._service.prefix}.{operation}",
        }
        answer = self._sent(json.dumps(body).encode(), headers, credentials)
        return json.loads(answer or b"{}")

    def query(self, action: str, credentials: Any | None, **fields: str) -> Callable[[str], str]:
        """A call of the query protocol, unsigned without credentials; gives its fields."""
        version = self._service.version
        body = urlencode({"Action": action, "Version": version, **fields}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        answer = self._sent(body, headers, credentials).decode()

        def field(name: str) -> str:
            found = re.search(rf"<{name}>([^<]*)</{name}>", answer)
            if found is None:
                raise ValueError(f"the answer has no {name}")
            return html.unescape(found[1])

        return field

    def close(self) -> None:
        """Hang up; harmless at any time."""
        self._exchange.close()
        self.door.hang_up()

    def _sent(self, body: bytes, headers: dict[str, str], credentials: Any | None) -> bytes:
        """The body of the answer; throttled calls are repeated a few times."""
        for pause in (*_PAUSES, None):
            status, answer = self._once(body, headers, credentials)
            if status == 200:
                return answer
            error = ApiError.read(status, answer)
            if pause is None or not (error.code in _AGAIN or status >= 500):
                raise error
            time.sleep(pause)
        raise AssertionError("the last turn raises")

    def _once(
        self, body: bytes, headers: dict[str, str], credentials: Any | None
    ) -> tuple[int, bytes]:
        signed = {**self._signed(body, headers, credentials), "Host": self.host}
        raw, answer = self._exchange.send("POST", "/", signed, body, self.seconds)
        return int(raw.status), answer

    def _signed(
        self, body: bytes, headers: dict[str, str], credentials: Any | None
    ) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request: Any = AWSRequest("POST", f"https://{self.host}/", dict(headers), body)
        if credentials is not None:
            SigV4Auth(credentials, self._service.name, self._region).add_auth(request)
        request.headers["User-Agent"] = "dragoman"
        return dict(request.headers.items())


def endpoint_host(service: str, region: str) -> str:
    """The endpoint's host name (AWS general reference, "Service endpoints")."""
    ending = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{service}.{region}.{ending}"
