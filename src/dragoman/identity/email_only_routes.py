"""Paths of e-mail-only users (contract §5.10)."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, answer, typed
from dragoman.api.errors import BadRequest
from dragoman.api.paging import PageInfo, page_size
from dragoman.api.routing import Parameter, Route
from dragoman.identity import service
from dragoman.identity.service import Definition

TAG = "Users"
MOST = 20


class EmailOnlyRecord(msgspec.Struct):
    """An e-mail-only user with the values of their attributes by name."""

    user_id: str
    email: str
    user_attributes: dict[str, Any]


class EmailOnlyList(msgspec.Struct, rename="camel"):
    """One page of e-mail-only users."""

    page_info: PageInfo
    records: list[EmailOnlyRecord]


class NewEmailOnly(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Null, `""` and `[]` clear an attribute; a list is for one of several values."""

    email: str
    user_attributes: dict[str, str | int | float | bool | list[str | int | float] | None] = {}


class NewEmailOnlyUsers(msgspec.Struct, forbid_unknown_fields=True):
    """1 to 20 users."""

    users: list[NewEmailOnly]


class EmailOnlySaved(msgspec.Struct, rename="camel"):
    """A user that was made or changed."""

    user_id: str
    email: str


class EmailOnlyAllSaved(msgspec.Struct):
    """Users that were made or changed, in the order of the request."""

    results: list[EmailOnlySaved]


async def list_users(call: Call) -> Response:
    query = call.query()
    size = page_size(query)
    if size > MOST:
        raise BadRequest(f"Bad Request: pageSize: Page size cannot exceed {MOST}")
    direction = query.get("sortDirection", "desc").lower()
    if direction not in ("asc", "desc"):
        raise BadRequest("Bad Request: sortDirection: asc or desc is expected")

    def look(unit: Any) -> tuple[service.EmailOnlyPage, dict[str, Definition]]:
        page = service.email_only_page(
            unit,
            size=size,
            cursor=query.get("cursor"),
            email=query.get("email"),
            descending=direction == "desc",
        )
        return page, service.custom(unit)

    page, known = await call.read(look)
    info = PageInfo(page.next_cursor is not None, page.next_cursor, size, page.total)
    records = [
        EmailOnlyRecord(user_id, email, _shown(values, known))
        for user_id, email, values in page.records
    ]
    return answer(EmailOnlyList(info, records))


async def save(call: Call) -> Response:
    body = typed(await call.json(), NewEmailOnly)
    return answer((await _saved(call, [body]))[0])


async def save_several(call: Call) -> Response:
    body = typed(await call.json(), NewEmailOnlyUsers)
    if not 1 <= len(body.users) <= MOST:
        raise BadRequest(f"Bad Request: users: 1 to {MOST} users are expected")
    return answer(EmailOnlyAllSaved(await _saved(call, body.users)), 201)


async def _saved(call: Call, users: list[NewEmailOnly]) -> list[EmailOnlySaved]:
    """All of them, or none."""

    def work(unit: Any) -> list[EmailOnlySaved]:
        made = [
            service.save_email_only(unit, call.principal, user.email, user.user_attributes)
            for user in users
        ]
        return [EmailOnlySaved(user.id, user.email) for user in made]

    return await call.write(work)


def _shown(values: dict[str, list[str]], known: dict[str, Definition]) -> dict[str, Any]:
    return {
        name: service.shown_value(known[name], texts) if name in known else texts[0]
        for name, texts in values.items()
    }


_ALL = "/api/v1/users/email-only"
_MANAGE = Permission.EMAIL_ONLY_MANAGE

ROUTES = (
    Route(
        "GET",
        _ALL,
        list_users,
        Permission.EMAIL_ONLY_READ,
        "usersListEmailOnly",
        "List e-mail-only users",
        TAG,
        answer=EmailOnlyList,
        query=(
            Parameter("cursor", "Where the page begins: `nextCursor` of the one before."),
            Parameter("email", "Only the user of this address."),
            Parameter(
                "pageSize",
                f"1 to {MOST}.",
                {"type": "integer", "minimum": 1, "maximum": MOST, "default": MOST},
            ),
            Parameter(
                "sortDirection",
                "By when they were made.",
                {"enum": ["asc", "desc"], "default": "desc"},
            ),
        ),
        errors=(400,),
    ),
    Route(
        "POST",
        _ALL,
        save,
        _MANAGE,
        "usersCreateEmailOnly",
        "Create or update an e-mail-only user",
        TAG,
        body=NewEmailOnly,
        answer=EmailOnlySaved,
    ),
    Route(
        "POST",
        f"{_ALL}/bulk",
        save_several,
        _MANAGE,
        "usersCreateEmailOnlyBulk",
        "Create or update e-mail-only users",
        TAG,
        201,
        body=NewEmailOnlyUsers,
        answer=EmailOnlyAllSaved,
    ),
)
