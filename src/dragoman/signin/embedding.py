"""Users of an application that shows our pages: let in by a signed address, or in two steps.

The application vouches for them: what it says of name, address, attributes, groups and roles holds
from then on in place of what it said before. A nonce is good once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from dragoman import audit, clock
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.errors import BadRequest, Forbidden, Unauthorized
from dragoman.identity import service as identity
from dragoman.identity.service import User
from dragoman.secret import SecretStr
from dragoman.settings import Settings
from dragoman.signin import sessions, signatures
from dragoman.signin.embed_rights import set_groups, set_roles
from dragoman.signin.tables import embed_nonces, embed_pending
from dragoman.store import UnitOfWork

LOGIN, REDEEM = "/embed/login", "/embed/sso/redeem-session"
PENDING_LIFE = timedelta(minutes=5)
LONGEST_PAYLOAD = timedelta(days=1)
URL_LIFE = timedelta(hours=1)
_ACTOR = Principal(PrincipalKind.EMBED, "embedding application")
_WRONG = "Unauthorized: the signature is wrong, or the address was used or is too old"
_NONCE = re.compile(r"[0-9A-Za-z_\-]{16,128}")
# What shapes pages and folders: taken, kept in the audit, and without effect as yet.
_KEPT = (
    "mode", "theme", "prefersDark", "linkAccess", "accessBoost", "customThemeId", "entity",
    "entityFolderContentRole", "entityFolderGroupContentRole", "entityFolderLabel",
    "entityGroupLabel", "preserveEntityFolderContentRole",
)  # fmt: skip
_LONGEST_KEPT = 200


class Visitor(msgspec.Struct, frozen=True, rename="camel"):
    """Whom an application lets in. Properties that only shape the pages are not listed."""

    external_id: str
    name: str
    content_path: str = "/"
    email: str | None = None
    entity: str | None = None
    groups: list[str] = []
    connection_roles: dict[str, str] = {}
    model_roles: dict[str, str] = {}
    user_attributes: dict[str, Any] = {}


class Admitted(msgspec.Struct, frozen=True):
    """A session that was just opened, its secret, and the page that was asked for."""

    secret: SecretStr
    content_path: str


def login(unit: UnitOfWork, settings: Settings, given: Mapping[str, str]) -> Admitted:
    """Let in who comes by a signed address. Raises `Unauthorized`, `BadRequest`, `Forbidden`."""
    keys, address = _secrets(settings), settings.base_url + LOGIN
    signature = given.get("signature", "")
    if "payload" in given:
        if set(given) != {"payload", "signature"}:
            raise Unauthorized(_WRONG)
        _require(signatures.is_signed(keys, given["payload"], signature))
        said = signatures.payload_values(given["payload"])
        ends = _end_of(unit, said)
        _require(said.get("loginUrl") == address)
    else:
        known = {*signatures.REQUIRED, *signatures.OPTIONAL, "signature"}
        _require(set(given) <= known and set(signatures.REQUIRED) <= set(given))
        _require(signatures.is_signed(keys, signatures.login_text(address, given), signature))
        said, ends = signatures.values(given), None
        _check_names(unit, said)
    _use_nonce(unit, said.get("nonce"), ends)
    visitor = _visitor(said)
    user = ensure(unit, _ACTOR, visitor)
    return _open(unit, settings, user, visitor.content_path, asked=_kept(said))


def prepare(unit: UnitOfWork, actor: Principal, settings: Settings, body: Any) -> SecretStr:
    """The first of two steps: the user is made, and the id of a session that waits to be redeemed
    is returned. Raises `BadRequest`, `Forbidden`."""
    _secrets(settings)
    visitor = _visitor(body)
    user = ensure(unit, actor, visitor)
    secret = SecretStr(secrets.token_urlsafe(32))
    row = {
        "digest": _digest(secret.reveal()),
        "user_id": user.id,
        "content_path": visitor.content_path,
        "expires_at": clock.wire(unit.moment + PENDING_LIFE),
    }
    unit.db.execute(insert(embed_pending).values(row))
    audit.record(unit, actor, "session.prepare", ("user", user.id), after=_kept(body))
    return secret


def address_for(
    unit: UnitOfWork, settings: Settings, body: Mapping[str, Any], secret: SecretStr
) -> str:
    """A signed address for who knows the secret, good once and for an hour. Raises `Unauthorized`,
    `BadRequest`, `Forbidden`."""
    known = {*signatures.REQUIRED, *signatures.OPTIONAL} - {"nonce"}
    unknown = sorted(set(body) - known)
    if unknown:
        raise BadRequest(f"Bad Request: Unrecognized key(s) in object: '{unknown[0][:60]}'")
    _visitor(body)
    keys = [each for each in _secrets(settings) if _same(each, secret)]
    if not keys:
        raise Unauthorized("Unauthorized: the secret is wrong")
    said = {
        **body,
        "loginUrl": settings.base_url + LOGIN,
        "nonce": secrets.token_hex(16),
        "exp": int((unit.moment + URL_LIFE).timestamp()),
    }
    payload = signatures.payload(said)
    query = urlencode({"payload": payload, "signature": signatures.sign(keys[0], payload)})
    return f"{settings.base_url}{LOGIN}?{query}"


def redeem(unit: UnitOfWork, settings: Settings, given: Mapping[str, str]) -> Admitted:
    """The second step. Raises `Unauthorized`, `Forbidden`."""
    keys = _secrets(settings)
    known = {"sessionId", "nonce", "signature", "prefersDark", "theme"}
    _require(set(given) <= known and {"sessionId", "nonce"} <= set(given))
    text = signatures.redeem_text(settings.base_url + REDEEM, given)
    _require(signatures.is_signed(keys, text, given.get("signature", "")))
    _use_nonce(unit, given["nonce"], unit.moment + PENDING_LIFE)
    mine = embed_pending.c.digest == _digest(given["sessionId"])
    statement = select(embed_pending.c.user_id, embed_pending.c.content_path)
    row = unit.db.execute(statement.where(mine, embed_pending.c.expires_at > unit.now)).first()
    # Of two at the same moment one finds it gone.
    gone = unit.db.execute(delete(embed_pending).where(mine)).rowcount == 0
    user = identity.user_of(unit, row.user_id) if row is not None and not gone else None
    if user is None or row is None:
        raise Unauthorized(_WRONG)
    return _open(unit, settings, user, row.content_path)


def ensure(unit: UnitOfWork, actor: Principal, visitor: Visitor) -> User:
    """The user as the application says they are. Raises `BadRequest`."""
    user = identity.ensure_embed_user(
        unit,
        actor,
        visitor.external_id,
        visitor.name,
        email=visitor.email or None,
        entity=visitor.entity or None,
    )
    identity.set_attributes(unit, actor, user.id, visitor.user_attributes, replace=True)
    set_groups(unit, actor, user, visitor.groups, visitor.entity or None)
    set_roles(unit, actor, user, visitor.connection_roles, visitor.model_roles)
    return user


def _check_names(unit: UnitOfWork, said: Mapping[str, Any]) -> None:
    """What shapes pages names no user attribute: it would be the attributes, whose name in the
    address somebody changed to be without them. Raises `BadRequest`."""
    attributes = {each.name for each in identity.list_attributes(unit)}
    for name in ("customTheme", "uiSettings"):
        value = said.get(name)
        if isinstance(value, dict) and attributes & cast("dict[str, Any]", value).keys():
            raise BadRequest(f"Bad Request: {name}: it names a user attribute")


def _kept(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the row of the audit keeps of the rest."""
    short = {name: str(said[name])[:_LONGEST_KEPT] for name in _KEPT if said.get(name)}
    return short or None


def _same(one: SecretStr, other: SecretStr) -> bool:
    known, sent = (each.reveal().encode(errors="surrogatepass") for each in (one, other))
    return hmac.compare_digest(known, sent)


def _open(
    unit: UnitOfWork,
    settings: Settings,
    user: User,
    path: str,
    asked: Mapping[str, Any] | None = None,
) -> Admitted:
    if user.disabled_at is not None:
        raise Unauthorized(_WRONG)
    secret, principal = sessions.open_session(unit, user, settings, "")
    audit.record(unit, principal, "session.create", ("user", user.id), after=asked)
    return Admitted(secret, path)


def _visitor(said: Any) -> Visitor:
    known = {name: value for name, value in dict(said).items() if value not in (None, "")}
    for name in ("groups", "connectionRoles", "modelRoles", "userAttributes"):
        known[name] = known.get(name) or ([] if name == "groups" else {})
    try:
        visitor = msgspec.convert(known, Visitor)
    except msgspec.ValidationError as error:
        raise BadRequest(f"Bad Request: {error}") from None
    path = visitor.content_path
    if not path.startswith("/") or path[1:2] in ("/", "\\") or not path.isascii():
        raise BadRequest("Bad Request: contentPath: it must be a path of this server")
    if not path.isprintable() or "\\" in path:
        raise BadRequest("Bad Request: contentPath: it must be a path of this server")
    return visitor


def _end_of(unit: UnitOfWork, said: Mapping[str, Any]) -> Any:
    """When a payload ends, in seconds since 1970. Raises `Unauthorized`."""
    ends, now = said.get("exp"), unit.moment.timestamp()
    if isinstance(ends, bool) or not isinstance(ends, int | float):
        raise Unauthorized(_WRONG)
    _require(now < ends <= now + LONGEST_PAYLOAD.total_seconds())
    return unit.moment + timedelta(seconds=ends - now)


def _use_nonce(unit: UnitOfWork, nonce: object, ends: Any) -> None:
    """Raises `Unauthorized` for one that was used. Those of addresses that never end are kept."""
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise Unauthorized(_WRONG)
    known = select(embed_nonces.c.digest).where(embed_nonces.c.digest == _digest(nonce))
    _require(unit.db.execute(known).first() is None)
    row = {"digest": _digest(nonce), "expires_at": clock.wire(ends) if ends else None}
    try:
        unit.db.execute(insert(embed_nonces).values(row))
    except IntegrityError:  # another process was faster
        raise Unauthorized(_WRONG) from None


def _secrets(settings: Settings) -> tuple[SecretStr, ...]:
    found = tuple(SecretStr(part) for part in settings.embed_secrets.reveal().split(",") if part)
    if not found:
        raise Forbidden("Forbidden: embedding is not set up here")
    return found


def _require(holds: bool) -> None:
    if not holds:
        raise Unauthorized(_WRONG)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
