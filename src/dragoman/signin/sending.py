"""Links on their way: by mail where a server is set up, or handed to the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from dragoman import mail
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.identity import service as identity
from dragoman.identity.service import User
from dragoman.secret import SecretStr
from dragoman.settings import Settings
from dragoman.signin import links, service
from dragoman.signin.links import Purpose
from dragoman.store import Origin, StoreBusy

if TYPE_CHECKING:
    from dragoman.egress import EgressPolicy
    from dragoman.house import House

log = structlog.get_logger()

_SUBJECTS: dict[Purpose, str] = {
    "invite": "Your account at Dragoman",
    "reset": "A new password for Dragoman",
}
_TEXTS: dict[Purpose, str] = {
    "invite": "You were given an account at {base}. Open this page to choose a password:",
    "reset": "Somebody, perhaps you, asked for a new password at {base}. Open this page to choose "
    "one; if it was not you, there is nothing to do:",
}


def send(
    settings: Settings, network: EgressPolicy, user: User, purpose: Purpose, secret: SecretStr
) -> None:
    """Mail a link. Takes up to a minute. Raises `MailFailure`."""
    hours = links.hours(purpose)
    text = (
        f"{_TEXTS[purpose].format(base=settings.base_url)}\n\n"
        f"{links.address(settings, secret).reveal()}\n\n"
        f"The link works once, within {hours} hour{'s' if hours > 1 else ''}.\n"
    )
    mail.send(settings, network, user.email, _SUBJECTS[purpose], text)


def forgotten(house: House, origin: Origin, email: str) -> None:
    """Mail a link to whoever has this address; nothing otherwise. Runs after the answer was given,
    so that neither its words nor its time tell whether somebody has the address. Who signs in
    through a provider and never had a password here gets none by themselves: the provider, and its
    second factor, could be gone around."""
    if house.settings.local_accounts == "off":
        return
    actor = Principal(PrincipalKind.SESSION, "forgotten password")
    try:
        with house.store.begin(origin) as unit:
            user = None if "\0" in email else identity.find_user(unit, email)
            if user is None or not service.may_enter(user) or links.is_fresh(unit, user):
                return
            if service.is_of_provider(unit, user):
                return
            secret = links.make(unit, actor, user, "reset")
        send(house.settings, house.network, user, "reset", secret)
    except (mail.MailFailure, StoreBusy) as error:
        log.warning("link was not sent", reason=str(error), request_id=origin.request_id)
