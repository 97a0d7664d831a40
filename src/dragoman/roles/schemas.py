"""Shapes on the wire of roles (contract §2.4)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Name = Annotated[str, Meta(min_length=1, max_length=80)]


class AssignRole(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A role on a model, or on a connection with all its models."""

    role_name: Name
    model_id: str | None = None
    connection_id: str | None = None


class UserRole(msgspec.Struct, rename="camel"):
    """A role as it was given. `modelId` of a role on a whole connection is that of its schema
    model, which is the connection's id."""

    membership_id: str
    connection_id: str
    model_id: str
    role_name: str


class GroupRole(msgspec.Struct, rename="camel"):
    """As `UserRole`, of a group."""

    user_group_id: str
    connection_id: str
    model_id: str
    role_name: str


class Origin(msgspec.Struct, rename="camel", omit_defaults=True):
    """Where a role comes from; the last three of a group."""

    type: Literal["USER", "ORG", "BASE", "GROUP"]
    depth: int | UnsetType = UNSET
    mini_uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class GroupRoleRow(msgspec.Struct, rename="camel", kw_only=True):
    """A role of a source on a model. `priority`: higher is more permissive."""

    role_name: str
    base_role: str
    connection_id: str
    model_id: str
    from_: Origin = msgspec.field(name="from")
    priority: int


class UserRoleRow(GroupRoleRow, kw_only=True):
    """`resolved`: the strongest on its model, one for each."""

    resolved: bool


class UserRoles(msgspec.Struct, rename="camel"):
    """The roles of a user."""

    membership_id: str
    results: list[UserRoleRow]


class GroupRoles(msgspec.Struct, rename="camel"):
    """The roles of a group."""

    user_group_id: str
    results: list[GroupRoleRow]


class RoleBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A custom role: what its base role permits and `permissions`, less `withoutPermissions`."""

    name: Name
    base_role: Name
    permissions: list[Name] = []
    without_permissions: list[Name] = []


class RoleChange(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What a custom role is from now on; what is left out stays."""

    base_role: Name | UnsetType = UNSET
    permissions: list[Name] | UnsetType = UNSET
    without_permissions: list[Name] | UnsetType = UNSET


class RoleRow(msgspec.Struct, rename="camel"):
    """A role. `grants`: all that it permits in the end."""

    name: str
    base_role: str
    custom: bool
    permissions: list[str]
    without_permissions: list[str]
    grants: list[str]
    priority: int


class RoleList(msgspec.Struct):
    """All roles: the built-in ones, weakest first, then custom ones by name."""

    roles: list[RoleRow]


class WhoAmIUser(msgspec.Struct, rename="camel"):
    """Who asks. Both ids are the one that the SCIM operations list."""

    id: str
    membership_id: str


class ModelRole(msgspec.Struct, rename="camel"):
    """The strongest role on a model, and what all roles on it permit, by the vendor's codes."""

    role_name: str
    base_role: str
    connection_id: str
    permissions: list[str]


class WhoAmI(msgspec.Struct, rename="camel"):
    """Who a token stands for. `rolesByModel`: by id of the model, so many at most as are told."""

    user: WhoAmIUser
    membership_id: str
    key_scope: Literal["user", "organization"]
    org_role: Literal["ORG_ADMIN", "MEMBER"]
    roles_by_model: dict[str, ModelRole]
    roles_by_model_truncated: bool
