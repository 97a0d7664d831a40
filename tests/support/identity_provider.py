"""An identity provider of our own: right in everything, but what a test bends.

It is no proof that a real provider is understood; it lies in ways that no real one can be made to.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

Bend = Callable[[dict[str, Any]], Any]


@dataclass
class Provider:
    """One provider. `person`: the claims of whoever signs in. `bend_*` change what is answered."""

    issuer: str = ""
    client_id: str = "dragoman"
    client_secret: str | None = "client secret of the tests"
    person: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "u-1",
            "email": "ann@example.com",
            "email_verified": True,
            "name": "Ann Other",
        }
    )
    keys: list[Any] = field(default_factory=lambda: [_key("one")])
    metadata: dict[str, Any] = field(default_factory=dict)
    bend_claims: Bend = lambda claims: claims
    sign: Callable[[Provider, dict[str, Any]], str] | None = None
    bend_answer: Bend = lambda query: query
    bend_tokens: Bend = lambda tokens: tokens
    userinfo: dict[str, Any] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Its metadata."""
        made = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/out",
            "authorization_response_iss_parameter_supported": True,
        }
        return {n: v for n, v in {**made, **self.metadata}.items() if v is not None}

    def authorize(self, url: str) -> str:
        """What a person's browser gets who signs in at `url`: where it goes back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["client_id"] == self.client_id
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}-{query['state'][-8:]}"
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(self.bend_answer(answer))}"

    def token(self, form: dict[str, str], authorization: str | None) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint."""
        asked = self.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
        if asked is None or asked["code_challenge"] != challenge.decode():
            return 400, {"error": "invalid_grant"}
        if form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if not self._knows(form, authorization):
            return 401, {"error": "invalid_client", "error_description": self.client_secret}
        claims = self.bend_claims({**self.claims(), "nonce": asked["nonce"]})
        signed = self.sign(self, claims) if self.sign else self.signed(claims)
        tokens = {"access_token": "access", "token_type": "Bearer", "id_token": signed}
        return 200, self.bend_tokens(tokens)

    def claims(self) -> dict[str, Any]:
        """The claims of a token of now, without a nonce."""
        now = int(time.time())
        return {"iss": self.issuer, "aud": self.client_id, "iat": now, "exp": now + 300,
                **self.person}  # fmt: skip

    def signed(self, claims: dict[str, Any], algorithm: str = "RS256") -> str:
        """A token by the newest key."""
        key = self.keys[-1]
        header = {"alg": algorithm, "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[algorithm])

    def rotate(self) -> None:
        """Another key in place of the present ones."""
        self.keys = [_key(f"key {len(self.asked)}")]

    def _knows(self, form: dict[str, str], authorization: str | None) -> bool:
        if self.client_secret is None:
            return form.get("client_id") == self.client_id and authorization is None
        pair = urlencode({self.client_id: self.client_secret}).replace("=", ":", 1)
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return authorization == basic or form.get("client_secret") == self.client_secret


_RSA: dict[str, RSAKey] = {}


def _key(name: str) -> RSAKey:
    """Made once: it takes a while."""
    if name not in _RSA:
        _RSA[name] = RSAKey.generate_key(2048, {"kid": name, "use": "sig"})
    return _RSA[name]


def elliptic_key(name: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": name, "use": "sig"})


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        provider, path = self.provider, urlsplit(self.path).path
        provider.asked.append(path)
        if path in provider.redirects:
            self.send_response(302)
            self.send_header("Location", provider.redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in provider.bodies:
            self._send(200, provider.bodies[path])
        elif path == "/.well-known/openid-configuration":
            self._json(200, provider.document())
        elif path == "/keys":
            keys = [key.as_dict(private=False) for key in provider.keys]
            self._json(200, {"keys": [{"kty": "AKP", "kid": "of tomorrow"}, *keys]})
        elif path == "/userinfo" and self.headers["Authorization"] == "Bearer access":
            self._json(200, provider.userinfo or {"sub": provider.person.get("sub")})
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        self.provider.asked.append(self.path)
        size = int(self.headers["Content-Length"])
        form = {n: v[0] for n, v in parse_qs(self.rfile.read(size).decode()).items()}
        self._json(*self.provider.token(form, self.headers["Authorization"]))

    def _json(self, status: int, said: dict[str, Any]) -> None:
        self._send(status, json.dumps(said).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@contextlib.contextmanager
def running_provider(**bent: Any) -> Generator[Provider]:
    """A provider on a free port of this machine."""
    provider = Provider(**bent)
    handler = type("Handler", (_Handler,), {"provider": provider})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        provider.issuer = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            http.shutdown()
            thread.join()
