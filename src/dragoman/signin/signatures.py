"""Signed addresses by which an application lets its users in (contract §5.13). Pure.

    v0   every value in the query; HMAC-SHA-256 over the login address, the required values and the
         optional ones that are there, a line each
    v1   `payload`: JSON, deflated, in base64url; HMAC-SHA-256 over its text; it ends at `exp`

Signatures are base64url, with padding or without.
"""

from __future__ import annotations

import base64
import hmac
import re
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.api.errors import BadRequest
from dragoman.secret import SecretStr

REQUIRED = ("contentPath", "externalId", "name", "nonce")
OPTIONAL = (
    "accessBoost", "connectionRoles", "customTheme", "customThemeId", "email", "entity",
    "entityFolderContentRole", "entityFolderGroupContentRole", "entityFolderLabel",
    "entityGroupLabel", "filterSearchParam", "groups", "linkAccess", "mode", "modelRoles",
    "prefersDark", "preserveEntityFolderContentRole", "theme", "uiSettings", "userAttributes",
)  # fmt: skip
# Values that are JSON inside their text.
_JSON = frozenset(("connectionRoles", "customTheme", "groups", "modelRoles", "uiSettings",
                   "userAttributes"))  # fmt: skip
_UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ROLES = re.compile(rf'\{{(?:\s*"{_UUID}"\s*:\s*"[^"]*"\s*,?)*\s*\}}')
# Objects that are not by ids.
_OBJECT = re.compile(rf'\{{(?!\s*"{_UUID}").*\}}')
_TRUTH = re.compile("true|false")
_CONTENT_ROLE = re.compile("NO_ACCESS|VIEWER|EXPLORER|EDITOR|MANAGER|OWNER")
_ADDRESS = r"[^@{}\[\]]+@[^@{}\[\]]+"
_FILTER = r"\??(?:[\w.%\-]+=[^&]*&)*f--.+=.*"
_OPEN = "__omni_link_access_open"
_WORDS = (
    "true|false|system|APPLICATION|SINGLE_CONTENT|dawn|vibes|breeze|blank|"
    f"{_CONTENT_ROLE.pattern}|{_OPEN}"
)
# Free text, but for words of other values, JSON, addresses and filters.
_LABEL = re.compile(rf"(?!(?:{_WORDS}|{_ADDRESS}|{_FILTER})$)(?!\s*[\[{{]).+")
_FORMS = {
    "accessBoost": _TRUTH,
    "customThemeId": re.compile(_UUID),
    "email": re.compile(_ADDRESS),
    "entityFolderContentRole": _CONTENT_ROLE,
    "entityFolderGroupContentRole": _CONTENT_ROLE,
    "filterSearchParam": re.compile(_FILTER),
    "groups": re.compile(r"\[.*\]"),
    "linkAccess": re.compile(rf"{_OPEN}|(?!(?:{_WORDS})$)[0-9A-Za-z_\-]+(?:,[0-9A-Za-z_\-]+)*"),
    "mode": re.compile("APPLICATION|SINGLE_CONTENT"),
    "prefersDark": re.compile("true|false|system"),
    "preserveEntityFolderContentRole": _TRUTH,
    "theme": re.compile("dawn|vibes|breeze|blank"),
    **dict.fromkeys(("connectionRoles", "modelRoles"), _ROLES),
    **dict.fromkeys(("customTheme", "uiSettings", "userAttributes"), _OBJECT),
    **dict.fromkeys(("entity", "entityFolderLabel", "entityGroupLabel"), _LABEL),
}
# These say something of the entity, and nothing without it.
_OF_ENTITY = (
    "entityFolderContentRole", "entityFolderGroupContentRole", "entityFolderLabel",
    "entityGroupLabel", "preserveEntityFolderContentRole",
)  # fmt: skip
_MOST_BYTES = 100_000


def login_text(address: str, given: Mapping[str, str]) -> str:
    """The text that a v0 address signs. Raises `KeyError` for a missing required value."""
    present = [given[name] for name in OPTIONAL if name in given]
    return "\n".join([address, *(given[name] for name in REQUIRED), *present])


def redeem_text(address: str, given: Mapping[str, str]) -> str:
    """The text that signs the second of two steps."""
    present = [given[name] for name in ("prefersDark", "theme") if name in given]
    return "\n".join([address, given["nonce"], given["sessionId"], *present])


def sign(secret: SecretStr, text: str) -> str:
    """The signature of a text, without padding."""
    made = hmac.digest(secret.reveal().encode(), text.encode(errors="surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def is_signed(secrets: tuple[SecretStr, ...], text: str, signature: str) -> bool:
    """Whether one of the secrets made this signature of the text."""
    sent = signature.rstrip("=").encode(errors="replace")
    right = [hmac.compare_digest(sign(secret, text).encode(), sent) for secret in secrets]
    return any(right)


def values(given: Mapping[str, str]) -> dict[str, Any]:
    """The values of a v0 query, those that are JSON decoded. Raises `BadRequest`.

    The text that is signed has no names: each value is held to the form of its own, so that hardly
    one passes for another's."""
    for name, text in given.items():
        form = _FORMS.get(name)
        if not text.isprintable() or (text and form is not None and not form.fullmatch(text)):
            raise BadRequest(f"Bad Request: {name}: it has not the form of such a value")
        if name in _OF_ENTITY and not given.get("entity"):
            raise BadRequest(f"Bad Request: {name}: it needs an entity")
    return unpacked(given)


def unpacked(said: Mapping[str, Any]) -> dict[str, Any]:
    """The values, those that are JSON in a text decoded. Raises `BadRequest`."""
    return {name: _unpacked(name, value) for name, value in said.items()}


def _unpacked(name: str, value: Any) -> Any:
    if name not in _JSON or not isinstance(value, str) or not value:
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise BadRequest(f"Bad Request: {name}: it is no JSON") from None


def payload(said: Mapping[str, Any]) -> str:
    """The payload of a v1 address."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflate.compress(msgspec.json.encode(dict(said))) + deflate.flush()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def payload_values(payload: str) -> dict[str, Any]:
    """The values of a v1 payload, whose signature was checked before. Raises `BadRequest`."""
    try:
        packed = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        text = unpacker.decompress(packed, _MOST_BYTES)
        found = msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, zlib.error, msgspec.DecodeError):
        raise BadRequest("Bad Request: payload: it cannot be read") from None
    return found
