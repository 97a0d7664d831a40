"""The conversation with a provider for one sign-in: a code for tokens, tokens for claims. Blocks.

Source: OpenID Connect Core 1.0, sections 3.1.3 and 5.3; RFC 6749 section 2.3.1.
"""

from __future__ import annotations

import base64
from functools import partial
from typing import Any
from urllib.parse import quote_plus, urlencode

from dragoman.dialects.network import Network
from dragoman.secret import SecretStr
from dragoman.signin.oidc import admitting, fetching, idtokens
from dragoman.signin.oidc.discovery import DIRECTORY, Document
from dragoman.signin.oidc.providers import Provider
from dragoman.signin.oidc.refusals import Reason, Refused, invalid
from dragoman.signin.oidc.schemas import ProviderSettings
from dragoman.signin.oidc.states import Begun

# Error codes are of RFC 6749 and OpenID Connect; whatever else stands there is not repeated.
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz_")


def authorize_url(
    document: Document, settings: ProviderSettings, redirect_uri: str, begun: Begun
) -> str:
    """Where the browser goes to sign in."""
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(settings.scopes),
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": begun.challenge,
        "code_challenge_method": "S256",
    }
    if settings.acr_values:
        query["acr_values"] = " ".join(settings.acr_values)
    return _with_query(document.authorize, query)


def sign_out_url(
    document: Document, settings: ProviderSettings, back: str, hint: SecretStr | None
) -> str | None:
    """Where the browser goes to sign out of the provider as well (RP-Initiated Logout 1.0).

    `hint`: the ID token of the sign-in, where one was kept."""
    if document.end_session is None:
        return None
    query = {"client_id": settings.client_id, "post_logout_redirect_uri": back}
    if hint is not None:
        query["id_token_hint"] = hint.reveal()
    return _with_query(document.end_session, query)


def claims_for(
    network: Network,
    provider: Provider,
    secret: SecretStr | None,
    begun: Begun,
    code: str,
    redirect_uri: str,
    now: float,
) -> tuple[dict[str, Any], SecretStr]:
    """What the provider says of whom the code is for, and its ID token. Raises `Refused`."""
    settings = provider.settings
    document = DIRECTORY.document(network, settings.issuer)
    tokens = _tokens(network, document, settings, secret, begun, code, redirect_uri)
    keys = partial(DIRECTORY.keys, network, settings.issuer)
    claims, algorithm = idtokens.claims_of(tokens.get("id_token"), keys)
    idtokens.check(claims, settings.issuer, settings.client_id, now)
    idtokens.check_sign_in(claims, algorithm, begun.nonce, tokens.get("access_token"))
    if document.userinfo and admitting.wanting(claims, settings):
        claims = _together(claims, _userinfo(network, document.userinfo, tokens, claims))
    return claims, SecretStr(tokens["id_token"])


def answered_error(error: str) -> Refused:
    """What a provider's error code means for who wanted to sign in."""
    reason = Reason.DENIED if error == "access_denied" else Reason.PROVIDER
    return Refused(reason, f"the provider answered {_code(error)}")


def _tokens(
    network: Network,
    document: Document,
    settings: ProviderSettings,
    secret: SecretStr | None,
    begun: Begun,
    code: str,
    redirect_uri: str,
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": begun.verifier.reveal(),
    }
    headers: dict[str, str] = {}
    if secret is None or document.post_secret:
        form["client_id"] = settings.client_id
    if secret is not None and document.post_secret:
        form["client_secret"] = secret.reveal()
    elif secret is not None:
        pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret.reveal())}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    status, said = fetching.post(network, document.token, form, headers)
    if status != 200:
        told = _code(said.get("error"))
        raise Refused(Reason.PROVIDER, f"the token endpoint answered {status}, {told}")
    return said


def _userinfo(
    network: Network, url: str, tokens: dict[str, Any], claims: dict[str, Any]
) -> dict[str, Any]:
    token = tokens.get("access_token")
    # A header takes no other characters, and no provider gives others (RFC 6750, section 2.1).
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise invalid("there is no access token to ask for more claims with")
    said = fetching.get(network, url, token)
    if said.get("sub") != claims["sub"]:
        raise invalid("userinfo speaks of somebody else (sub)")
    return said


def _together(claims: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The ID token counts before userinfo, which vouches for no address but its own."""
    if "email" in claims and more.get("email") != claims["email"]:
        more = {name: value for name, value in more.items() if name != "email_verified"}
    return {**more, **claims}


def _with_query(url: str, query: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _code(error: object) -> str:
    known = isinstance(error, str) and 0 < len(error) <= 60 and set(error) <= _WORD
    return f"error {error}" if known else "no known error"
