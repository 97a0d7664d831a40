"""ID tokens and logout tokens: who signed them, for whom, when, and for which sign-in.

Source: OpenID Connect Core 1.0, sections 3.1.3.7 and 3.1.3.8; RFC 8725. Signatures by public keys
only: a token by `none` or by a shared secret is nobody's, whatever its header says.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from dragoman.signin.oidc.discovery import Key
from dragoman.signin.oidc.refusals import invalid

ALGORITHMS = {
    **{f"RS{bits}": ("RSA", f"sha{bits}") for bits in (256, 384, 512)},
    **{f"PS{bits}": ("RSA", f"sha{bits}") for bits in (256, 384, 512)},
    **{f"ES{bits}": ("EC", f"sha{bits}") for bits in (256, 384, 512)},
    "EdDSA": ("OKP", "sha512"),
}
LEEWAY_SECONDS = 60
LOGOUT_SECONDS = 600
_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
_MAX_TOKEN = 64 * 1024
_MIN_RSA_BITS = 2048
Keys = Callable[[str | None], list[Key]]


def claims_of(token: object, keys: Keys) -> tuple[dict[str, Any], str]:
    """The claims of a token with a good signature, and its algorithm. `keys` may block: it gives
    the issuer's keys for a key id. Raises `Refused`."""
    if not isinstance(token, str) or len(token) > _MAX_TOKEN or token.count(".") != 2:
        raise invalid("the ID token is missing, too large, or no signed token")
    header = _decoded(token.partition(".")[0])
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise invalid(f"the ID token is signed by {str(algorithm)[:20]!r}, which is not taken")
    if "crit" in header or not isinstance(key_id, str | None):
        raise invalid("the ID token has a header that is not understood")
    candidates = [key for key in keys(key_id) if _fits(key, algorithm, key_id)]
    if not any(_verifies(token, algorithm, key) for key in candidates):
        what = "no key of the provider fits" if not candidates else "the signature is wrong"
        raise invalid(f"the ID token: {what}")
    return _decoded(token.split(".")[1]), algorithm


def check(claims: Mapping[str, Any], issuer: str, client_id: str, now: float) -> None:
    """Raise `Refused` unless a token is of this issuer, for this client, and of now."""
    if claims.get("iss") != issuer:
        raise invalid("the ID token is of another issuer (iss)")
    said = claims.get("aud")
    audience = cast("list[Any]", said) if isinstance(said, list) else [said]
    if client_id not in audience:
        raise invalid("the ID token is for another client (aud)")
    if (len(audience) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise invalid("the ID token was given to another client (azp)")
    issued, ends = _moment(claims, "iat"), _moment(claims, "exp")
    if ends + LEEWAY_SECONDS <= now:
        raise invalid("the ID token is past its end (exp)")
    if issued - LEEWAY_SECONDS > now:
        raise invalid("the ID token is of the future (iat): do both clocks go right?")
    if "nbf" in claims and _moment(claims, "nbf") - LEEWAY_SECONDS > now:
        raise invalid("the ID token does not count yet (nbf)")


def check_sign_in(
    claims: Mapping[str, Any], algorithm: str, nonce: str, access_token: object
) -> None:
    """Raise `Refused` unless an ID token belongs to this sign-in, and to the access token that came
    with it."""
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(_bytes(said), _bytes(nonce)):
        raise invalid("the ID token is of another sign-in (nonce)")
    subject_of(claims)
    if "at_hash" in claims and claims["at_hash"] != _half_hash(str(access_token), algorithm):
        raise invalid("the ID token does not belong to its access token (at_hash)")


def logged_out(claims: Mapping[str, Any], now: float) -> tuple[str | None, str | None, str]:
    """The session and the subject that a logout token names, at least one of both, and the token's
    own name (Back-Channel Logout 1.0, section 2.6). Raises `Refused`."""
    happened, named = claims.get("events"), claims.get("jti")
    if not isinstance(happened, dict) or _LOGOUT not in happened or "nonce" in claims:
        raise invalid("this is no logout token")
    if now - _moment(claims, "iat") > LOGOUT_SECONDS:
        raise invalid("the logout token is too old")
    if not isinstance(named, str) or not named:
        raise invalid("the logout token has no name of its own (jti)")
    if "sid" not in claims and "sub" not in claims:
        raise invalid("the logout token names nobody")
    session = claims.get("sid")
    if "sid" in claims and (not isinstance(session, str) or not session):
        raise invalid("the logout token names a session by no text (sid)")
    return session, subject_of(claims) if "sub" in claims else None, named


def subject_of(claims: Mapping[str, Any]) -> str:
    """Whom the provider speaks of: its own name for them. Raises `Refused`."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise invalid("the provider does not say whom it speaks of (sub)")
    return subject


def _fits(key: Key, algorithm: str, key_id: str | None) -> bool:
    if key_id is not None and key.get("kid") != key_id:
        return False
    kind, _ = ALGORITHMS[algorithm]
    return (
        key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) in (algorithm, "Ed25519" if kind == "OKP" else algorithm)
    )


def _verifies(token: str, algorithm: str, key: Key) -> bool:
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    public = {name: value for name, value in key.items() if name in _PUBLIC}
    # A key that cannot be read, or is of another curve, verifies nothing.
    with contextlib.suppress(JoseError, ValueError, TypeError, KeyError, AttributeError):
        if key.get("kty") == "RSA" and len(_bits(key["n"])) * 8 < _MIN_RSA_BITS:
            return False
        jws.deserialize_compact(token, import_key(public), algorithms=[algorithm])
        return True
    return False


_PUBLIC = frozenset(("kty", "n", "e", "crv", "x", "y"))


def _bits(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).lstrip(b"\0")


def _half_hash(text: str, algorithm: str) -> str:
    digest = hashlib.new(ALGORITHMS[algorithm][1], text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


def _decoded(part: str) -> dict[str, Any]:
    found: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(found, dict):
        raise invalid("the ID token cannot be read")
    return cast("dict[str, Any]", found)


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        raise invalid(f"the ID token has no {name}")
    return value


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
