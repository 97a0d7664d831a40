"""A real Keycloak for tests: one realm with one client and two people, its store in memory."""

from __future__ import annotations

import contextlib
import html
import json
import re
import secrets
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.engines import HOST, Unavailable
from tests.support.processes import free_port, running_as_us

INSTALLED = Path(__file__).parents[2] / ".engines" / "keycloak"
REALM = "work"
_FLAGS = (
    *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory="
    "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
)
_OPTIONS = ("--optimized", "--import-realm", "--http-enabled=true", "--hostname-strict=false",
            "--cache=local", f"--http-host={HOST}")  # fmt: skip
_FORM = re.compile(r"<form[^>]*\baction=\"([^\"]+)\"[^>]*>(.*?)</form>", re.DOTALL)
_HIDDEN = re.compile(r"<input type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]*)\"")


@dataclass
class Keycloak:
    """A running server. `secret`: of its client `dragoman`; `password`: of everybody."""

    port: int = field(default_factory=free_port)
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    password: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def issuer(self) -> str:
        return f"http://{HOST}:{self.port}/realms/{REALM}"

    def realm(self, own: str, told: str) -> dict[str, Any]:
        """The realm. `own`: where people reach Dragoman, `told`: where Keycloak does."""
        password = {"type": "password", "value": self.password, "temporary": False}
        ann = {"username": "ann", "email": "ann@example.com", "groups": ["/Sales", "/Unheard of"]}
        bob = {"username": "bob", "email": "bob@example.com", "emailVerified": False}
        usual = {"enabled": True, "emailVerified": True, "firstName": "Ann", "lastName": "Other"}
        groups = {
            "name": "groups",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-group-membership-mapper",
            "config": {"claim.name": "groups", "full.path": "false", "id.token.claim": "true"},
        }
        client = {
            "clientId": "dragoman",
            "secret": self.secret,
            "redirectUris": [f"{own}/signin/oidc/work/callback"],
            "attributes": {
                "post.logout.redirect.uris": f"{own}/signin",
                "backchannel.logout.url": f"{told}/signin/oidc/work/logout",
                "backchannel.logout.session.required": "true",
                "pkce.code.challenge.method": "S256",
            },
            "protocolMappers": [groups],
        }
        return {
            "realm": REALM,
            "enabled": True,
            "sslRequired": "none",
            "groups": [{"name": "Sales"}, {"name": "Unheard of"}],
            "users": [{**usual, "credentials": [password], **who} for who in (ann, bob)],
            "clients": [client],
        }


@contextlib.contextmanager
def run_keycloak(own: str, told: str) -> Generator[Keycloak]:
    """The server with the realm for one Dragoman; see `Keycloak.realm`."""
    java = INSTALLED / "java" / "bin" / "java"
    if not java.exists():
        raise Unavailable("Keycloak is not installed (make engines)")
    made = Keycloak()
    with tempfile.TemporaryDirectory(prefix="dragoman-keycloak-") as name:
        home = Path(name)
        for part in ("conf", "lib", "providers", "themes"):
            (home / part).symlink_to(INSTALLED / part)
        (home / "data" / "import").mkdir(parents=True)
        realm = home / "data" / "import" / "work-realm.json"
        realm.write_text(json.dumps(made.realm(own, told)))
        where = (f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}")
        program = ("-cp", home / "lib" / "quarkus-run.jar",
                   "io.quarkus.bootstrap.runner.QuarkusEntryPoint", "start")  # fmt: skip
        command = [java, *_FLAGS, *where, *program, *_OPTIONS, f"--http-port={made.port}"]
        with running_as_us(command, home, lambda: _is_up(made)):
            yield made


def submit(http: httpx.Client, page: httpx.Response, **fields: str) -> httpx.Response:
    """Fill in the form of a page as a person would, and send it."""
    found = _FORM.search(page.text)
    assert found is not None, page.text
    action, inside = found.groups()
    hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(inside)}
    return http.post(str(page.url.join(html.unescape(action))), data={**hidden, **fields})


def _is_up(made: Keycloak) -> bool:
    with contextlib.suppress(httpx.TransportError):
        url = f"{made.issuer}/.well-known/openid-configuration"
        return httpx.get(url, trust_env=False).status_code == 200
    return False
