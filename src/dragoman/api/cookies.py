"""Sessions of browsers on the wire: the cookie that names one, and the proof that a request comes
from a page of ours.

A browser sends cookies by itself, also for a page of somebody else. So a request that changes
something needs beside the cookie the header `X-CSRF-Token`, which only who may read our answers
knows, and is refused where it comes from another site (`Sec-Fetch-Site`, `Origin`; no page can set
these, and every browser sends one of them with a change; programs send neither). The token is an
HMAC under the session's own secret: it needs no store, ends with the session, and one cookie that
was planted by a neighbouring host does not make it known.
Sources: RFC 6265bis, Fetch Metadata (W3C), OWASP Cross-Site Request Forgery Prevention.
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from dragoman.api.errors import Forbidden
from dragoman.secret import SecretStr
from dragoman.settings import Settings

NAME = "dragoman_session"
EMBED_NAME = "dragoman_embed"
SECURE_PREFIX = "__Host-"
"""Browsers take a name of this form from its own host only, with `Secure` and for all paths."""
HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD"})
_PURPOSE = b"dragoman csrf v1"


def sent(request: Request, settings: Settings) -> SecretStr | None:
    """The session's secret that the browser sent; None when it sent none."""
    if "cookie" not in request.headers:
        return None
    secure = is_secure(request, settings)
    names = (_name(secure), _name(secure, EMBED_NAME))
    value = next((v for v in map(request.cookies.get, names) if v), None)
    return SecretStr(value) if value else None


def give(response: Response, secret: SecretStr, seconds: int, *, secure: bool) -> None:
    """Have the browser keep the session's secret where no script reads it."""
    _set(response, _name(secure), secret.reveal(), seconds, secure=secure)


def give_embedded(response: Response, secret: SecretStr, seconds: int, *, secure: bool) -> None:
    """As `give`, for a page inside a page of another site: a cookie of another name, so that it
    takes no person's session away, kept apart for each such site (CHIPS)."""
    name = _name(secure, EMBED_NAME)
    _set(response, name, secret.reveal(), seconds, secure=secure)
    if secure:
        key, value = response.raw_headers.pop()
        value = value.replace(b"SameSite=lax", b"SameSite=none") + b"; Partitioned"
        response.raw_headers.append((key, value))


def named(request: Request, name: str, settings: Settings) -> str | None:
    """What the browser sent in another cookie of ours."""
    return request.cookies.get(_name(is_secure(request, settings), name))


def give_named(
    response: Response, name: str, secret: SecretStr, seconds: int, *, secure: bool
) -> None:
    """As `give`, in another cookie."""
    _set(response, _name(secure, name), secret.reveal(), seconds, secure=secure)


def take_back(response: Response, *, secure: bool) -> None:
    """Have the browser forget its session."""
    _set(response, _name(secure), "", 0, secure=secure)


def is_secure(request: Request, settings: Settings) -> bool:
    """Whether people reach the server through TLS, by its public address or by this request."""
    return settings.public_url.startswith("https://") or request.url.scheme == "https"


def csrf_token(secret: SecretStr) -> str:
    """The token that changes need beside this session's cookie: 43 characters."""
    made = hmac.digest(secret.reveal().encode(errors="surrogatepass"), _PURPOSE, "sha256")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def require_proof(request: Request, secret: SecretStr, settings: Settings) -> None:
    """Let a request that may change something pass only with the session's token, and from no
    other site. Raises `Forbidden`."""
    if request.method in _SAFE:
        return
    require_own_page(request, settings)
    given = request.headers.get(HEADER, "")
    if not hmac.compare_digest(given.encode(errors="replace"), csrf_token(secret).encode()):
        raise Forbidden(f"Forbidden: {HEADER} is missing or not that of this session")


def require_own_page(request: Request, settings: Settings) -> None:
    """Refuse what a page of somebody else sends. A client that is no browser says nothing of
    where it comes from, and passes. Raises `Forbidden`."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = site not in (None, "same-origin", "none")
    if foreign or (origin is not None and not _is_own(origin, request, settings)):
        raise Forbidden("Forbidden: the request comes from another site")


def _is_own(origin: str, request: Request, settings: Settings) -> bool:
    try:
        parts, public = urlsplit(origin), urlsplit(settings.public_url)
    except ValueError:
        return False
    # A proxy may hand on another Host than the one that the browser asked.
    same_public = bool(public.netloc) and (parts.scheme, parts.netloc) == public[:2]
    return same_public or parts.netloc == request.headers.get("host")


def _name(secure: bool, name: str = NAME) -> str:
    return f"{SECURE_PREFIX}{name}" if secure else name


def _set(response: Response, name: str, value: str, seconds: int, *, secure: bool) -> None:
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax"
    )
