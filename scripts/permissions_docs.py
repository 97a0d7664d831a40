"""Writes the table of who may do what into docs/permissions.md, between its two marks.

python -m scripts.permissions_docs           rewrite the page
python -m scripts.permissions_docs --check   exit 1 when the page is not current
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dragoman.access.policy import RULES, Permission, Thing, Verdict, admits, judge, rights_of
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.access.roles import Role
from dragoman.access.scope import Scope
from dragoman.api.routing import Route
from dragoman.app import routes
from scripts import marked

PAGE = Path(__file__).resolve().parents[1] / "docs" / "permissions.md"
BEGIN = "<!-- permissions: written by scripts/permissions_docs.py -->"
END = "<!-- end of permissions -->"
YES, FORBIDDEN, HIDDEN = "yes", "403", "404"
UNKNOWN, MISSING = "401", "400"
_SHOWN = {Verdict.ALLOWED: YES, Verdict.FORBIDDEN: FORBIDDEN, Verdict.HIDDEN: HIDDEN}


class Column(NamedTuple):
    """A kind of principal: `role` on the thing in question, `elsewhere` on another one. A narrowed
    key has some `permissions` only, or is good on the connection in question (`here`) or on another
    one only."""

    head: str
    kind: PrincipalKind = PrincipalKind.PERSONAL
    admin: bool = False
    role: Role = Role.NO_ACCESS
    elsewhere: Role = Role.NO_ACCESS
    permissions: tuple[str, ...] | None = None
    here: bool | None = None

    @property
    def principal(self) -> Principal:
        """The principal that the column stands for."""
        return Principal(self.kind, self.head, organization_admin=self.admin).narrowed(
            self.scope(("here",), ("elsewhere",))
        )

    def scope(self, here: tuple[str, ...], elsewhere: tuple[str, ...]) -> Scope | None:
        """What its token is narrowed to; the ids are those of the connections."""
        if self.permissions is None and self.here is None:
            return None
        ids = None if self.here is None else here if self.here else elsewhere
        return Scope(self.permissions, ids)


READING = (Permission.MODELS_LIST.value, Permission.MODELS_READ.value)
COLUMNS = (
    Column("Organization key", PrincipalKind.ORGANIZATION, admin=True),
    Column("Organization admin", admin=True),
    Column("Connection admin", role=Role.CONNECTION_ADMIN),
    Column("Modeler", role=Role.MODELER),
    Column("Querier", role=Role.QUERIER),
    Column("Restricted querier", role=Role.QUERY_TOPICS),
    Column("Viewer", role=Role.VIEWER),
    Column("No access"),
    Column("Admin of another connection", elsewhere=Role.CONNECTION_ADMIN),
    Column("Key for reading models", PrincipalKind.ORGANIZATION, admin=True, permissions=READING),
    Column("Key for the connection", PrincipalKind.ORGANIZATION, admin=True, here=True),
    Column("Key for another connection", PrincipalKind.ORGANIZATION, admin=True, here=False),
)
NO_TOKEN, BAD_TOKEN = "No token", "Token that is not good"
# Who is no principal: without a token, or with one that is unknown, expired, revoked, disabled or
# of somebody who is suspended.
NOBODY = (NO_TOKEN, BAD_TOKEN)
HEADS = (*(column.head for column in COLUMNS), *NOBODY)
Key = tuple[str, str, str]


class Row(NamedTuple):
    """One use of an operation: `when` is empty for what its permission alone is enough for."""

    route: Route
    when: str
    permission: Permission
    on: Thing

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.route.method, self.route.path, self.when


def rows(route: Route) -> Iterator[Row]:
    """The uses of an operation that differ in what they ask for."""
    on = RULES[route.permission].on
    yield Row(route, "", route.permission, on)
    for case in route.cases:
        yield Row(route, case.when, case.permission, case.on or on)


def outcome(row: Row, column: Column) -> str:
    """What the policy says to a kind of principal."""
    if not admits(column.principal, row.route.permission):
        return FORBIDDEN
    if row.permission is row.route.permission and row.on is Thing.OWN:
        return HIDDEN  # for all but the owner, who is none of the columns
    anywhere = RULES[row.permission].anywhere
    role = max(column.role, column.elsewhere, key=_rank) if anywhere else column.role
    if column.here:  # its owner may do everything there
        role = Role.CONNECTION_ADMIN
    return _SHOWN[judge(column.principal, row.permission, rights_of(role), row.on)]


def turned_away(row: Row, head: str) -> str:
    """What somebody is told who is no principal."""
    if row.route.permission is Permission.PUBLIC:
        return YES
    if not row.route.refuses_without_401:
        return UNKNOWN
    return MISSING if head == NO_TOKEN else FORBIDDEN


def tables() -> str:
    """A table for each part of the API."""
    tags = dict.fromkeys(route.tag for route in routes())
    return "\n\n".join(f"### {tag}\n\n{_table(tag)}" for tag in tags)


def read(page: str) -> dict[Key, dict[str, str]]:
    """The tables of a page: for each use of an operation, the outcome by the head of its column."""
    found: dict[Key, dict[str, str]] = {}
    _, _, block = page.partition(BEGIN)
    for line in block.partition(END)[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not cells[0].startswith("`"):
            continue
        call, _, when = cells[0].partition(" · ")
        method, path = call.strip("`").split(" ")
        outcomes = dict(zip(HEADS, cells[2:], strict=True))
        found[(method, path, when)] = outcomes
    return found


def current(page: str) -> str:
    """The page with the tables in place of what stands between the marks."""
    return marked.filled(page, BEGIN, END, tables())


def _table(tag: str) -> str:
    heads = ("Operation", "Permission", *HEADS)
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for route in routes():
        if route.tag == tag:
            lines += [_line(row) for row in rows(route)]
    return "\n".join(lines)


def _line(row: Row) -> str:
    call = f"`{row.route.method} {row.route.path}`" + (f" · {row.when}" if row.when else "")
    outcomes = [outcome(row, column) for column in COLUMNS]
    outcomes += [turned_away(row, head) for head in NOBODY]
    return f"| {' | '.join((call, f'`{row.permission.value}`', *outcomes))} |"


def _rank(role: Role) -> int:
    return role.rank


if __name__ == "__main__":
    raise SystemExit(marked.main(PAGE, current, "python -m scripts.permissions_docs"))
