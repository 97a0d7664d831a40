"""What ties a provider's answer to the browser that asked, without a row for each that asks.

The browser keeps a random secret in a cookie. The state names provider, end and page, with an HMAC
under that secret; nonce and PKCE verifier are HMACs of the state. So an answer counts only in the
browser that asked, only for that provider, only for ten minutes; and once, by a row that is written
when it comes back. Source: RFC 6749 section 10.12, RFC 7636, RFC 9700 section 2.1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from dragoman import clock
from dragoman.secret import SecretStr
from dragoman.signin.oidc.refusals import Reason, Refused
from dragoman.signin.tables import used_answers
from dragoman.store import UnitOfWork

LIFE = timedelta(minutes=10)
COOKIE = "dragoman_oidc"
HOME = "/signin"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_MAX_PATH, _MAX_STATE = 1000, 4000


class Flow(msgspec.Struct, frozen=True):
    """One sign-in that is under way. `slug`: of the provider; `ends`: seconds since 1970."""

    slug: str
    path: str
    ends: int
    salt: str


class Begun(msgspec.Struct, frozen=True):
    """What goes to the provider, and the secret that stays in the browser."""

    secret: SecretStr
    state: str
    nonce: str
    verifier: SecretStr

    @property
    def challenge(self) -> str:
        """S256 of the verifier (RFC 7636, section 4.2)."""
        return _encoded(hashlib.sha256(self.verifier.reveal().encode()).digest())


def browser_secret(sent: str | None) -> SecretStr:
    """The secret that the browser has already, for sign-ins in two tabs; else a new one."""
    known = sent is not None and _SECRET.fullmatch(sent)
    return SecretStr(sent if known and sent else secrets.token_urlsafe(32))


def begin(secret: SecretStr, slug: str, path: str, moment: datetime) -> Begun:
    """A state for this browser and provider, that leads back to `path`."""
    ends = int((moment + LIFE).timestamp())
    body = _encoded(msgspec.json.encode(Flow(slug, path, ends, secrets.token_urlsafe(9))))
    return _begun(secret, f"{body}.{_mac(secret, 'state', body)}")


def resume(secret: str | None, state: str, slug: str, moment: datetime) -> tuple[Flow, Begun]:
    """The sign-in that a state is of. Raises `Refused` unless this browser began it with this
    provider, a short while ago."""
    body, _, mac = state.partition(".")
    if secret is None or not _SECRET.fullmatch(secret) or len(state) > _MAX_STATE:
        raise _stale("the browser that the answer came to did not ask for it")
    kept = SecretStr(secret)
    if not hmac.compare_digest(mac.encode(errors="replace"), _mac(kept, "state", body).encode()):
        raise _stale("the browser that the answer came to did not ask for it (state)")
    try:
        flow = msgspec.json.decode(_decoded(body), type=Flow)
    except ValueError:
        raise _stale("the state cannot be read") from None
    if flow.slug != slug:
        raise _stale("the answer came from another provider than was asked")
    if not 0 <= flow.ends - moment.timestamp() <= LIFE.total_seconds():
        raise _stale("the sign-in took longer than ten minutes")
    # Who has the cookie's secret can make states of their own.
    return msgspec.structs.replace(flow, path=own_path(flow.path)), _begun(kept, state)


def use(unit: UnitOfWork, text: str, ends: datetime) -> None:
    """Note that an answer was used. Raises `Refused` the second time."""
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    known = select(used_answers.c.digest).where(used_answers.c.digest == digest)
    again = _stale("the answer was used already")
    if unit.db.execute(known).first() is not None:
        raise again
    try:
        unit.db.execute(insert(used_answers).values(digest=digest, expires_at=clock.wire(ends)))
    except IntegrityError:  # another process was faster
        raise again from None


def own_path(path: str | None) -> str:
    """A page of this server; the page to sign in on for whatever leads elsewhere."""
    if not path or len(path) > _MAX_PATH or not path.isascii() or not path.isprintable():
        return HOME
    elsewhere = not path.startswith("/") or path[1:2] in ("/", "\\") or "\\" in path
    return HOME if elsewhere else path


def _begun(secret: SecretStr, state: str) -> Begun:
    verifier = SecretStr(_mac(secret, "verifier", state))
    return Begun(secret, state, _mac(secret, "nonce", state), verifier)


def _mac(secret: SecretStr, purpose: str, text: str) -> str:
    said = f"dragoman oidc v1 {purpose} {text}".encode(errors="surrogatepass")
    return _encoded(hmac.digest(secret.reveal().encode(), said, "sha256"))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _stale(detail: str) -> Refused:
    return Refused(Reason.STALE, detail)
