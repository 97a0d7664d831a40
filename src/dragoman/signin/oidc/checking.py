"""What an admin may say of an identity provider, as far as no store is needed to tell."""

from __future__ import annotations

import re

from dragoman.api.errors import BadRequest
from dragoman.dialects.failures import DatabaseFailure
from dragoman.egress import EgressPolicy
from dragoman.signin.oidc import fetching
from dragoman.signin.oidc.schemas import ProviderBody

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")  # RFC 6749, appendix A.4
_MOST, _CHARACTERS = 200, 400


def check(body: ProviderBody, network: EgressPolicy) -> None:
    """Raise `BadRequest` for a body that cannot be a provider's."""
    if not _SLUG.fullmatch(body.slug):
        raise bad("slug", "1 to 40 lower-case letters, digits and -")
    _check_issuer(body.issuer, network)
    _check_sizes(body)
    _check_texts("name, clientId", body.name, body.client_id)
    _check_texts("a claim", body.email_claim, body.name_claim)
    if body.groups_claim is not None:
        _check_texts("groupsClaim", body.groups_claim)
    _check_texts("groupNames", *body.group_names, *body.group_names.values())
    _check_texts("attributes", *body.attributes, *body.attributes.values())
    _check_texts("acrValues", *body.acr_values)
    if any(" " in value for value in body.acr_values):
        raise bad("acrValues", "no value has a blank")
    if "openid" not in body.scopes or not all(map(_SCOPE.fullmatch, body.scopes)):
        raise bad("scopes", "openid and others, each without blanks")
    _check_domains(body)


def bad(name: str, what: str) -> BadRequest:
    """The refusal of a property."""
    return BadRequest(f"Bad Request: {name}: {what}")


def _check_issuer(issuer: str, network: EgressPolicy) -> None:
    try:
        fetching.check_url(issuer)
        if "?" in issuer:
            raise ValueError("it must have no query")
        network.check_name(fetching.host_of(issuer))
    except ValueError as error:
        raise bad("issuer", str(error)) from None
    except DatabaseFailure as failure:
        raise bad("issuer", failure.message) from None


def _check_sizes(body: ProviderBody) -> None:
    several = (body.scopes, body.email_domains, body.group_names, body.attributes, body.acr_values)
    if any(len(each) > _MOST for each in several):
        raise BadRequest(f"Bad Request: no list or object here has more than {_MOST} entries")


def _check_texts(name: str, *texts: str) -> None:
    for text in texts:
        if not text.strip() or len(text) > _CHARACTERS or not text.isprintable():
            raise bad(name, f"1 to {_CHARACTERS} printable characters")


def _check_domains(body: ProviderBody) -> None:
    for domain in body.email_domains:
        if not _DOMAIN.fullmatch(domain.lower()) or "." not in domain:
            raise bad("emailDomains", f"'{domain[:80]}' is no domain such as example.com")
    if body.link_by_email and not body.email_domains:
        raise bad("linkByEmail", "name the emailDomains whose addresses this provider gives out")
