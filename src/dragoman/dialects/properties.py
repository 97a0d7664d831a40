"""The properties of a connection: one catalogue, from which all else is derived.

Source: the "Create connection" operation (35 properties) and the four that later versions of the
contract add; `workspaceHost`, `databaseInstance` and `entraTenant` are our own. A dialect's
file says which of them it uses and how (`base.Use`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a property's value is written on the wire and checked."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    SECRET = "secret"  # noqa: S105 - the name of a kind
    TIMEZONE = "timezone"
    LIST = "list"  # comma-separated text, or an array of text
    DIGITS = "digits"  # a positive integer written as text, since it may pass 2^53
    URL = "url"


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a connection.

    `universal`: every dialect uses it unless its declaration leaves it out.
    `destination`: part of where a secret travels to; changing it asks for the secret again.
    """

    name: str
    kind: Kind
    description: str
    default: str | int | bool | None = None
    minimum: int | None = None
    maximum: int | None = None
    universal: bool = False
    destination: bool = False
    example: str | int | bool | None = None


_ALL: tuple[Property, ...] = (
    Property(
        "dialect",
        Kind.TEXT,
        "The database dialect. It cannot be changed later.",
        universal=True,
        destination=True,
        example="postgres",
    ),
    Property(
        "name",
        Kind.TEXT,
        "The name people see; the schema model takes it too.",
        universal=True,
        example="Warehouse",
    ),
    Property(
        "host",
        Kind.TEXT,
        "Host name or IP address of the database server.",
        destination=True,
        example="db.example.com",
    ),
    Property("port", Kind.INTEGER, "TCP port.", minimum=1, maximum=65535, destination=True),
    Property(
        "database",
        Kind.TEXT,
        "The default database or catalog.",
        universal=True,
        destination=True,
        example="shop",
    ),
    Property(
        "username",
        Kind.TEXT,
        "The user to sign in as.",
        destination=True,
        example="reader",
    ),
    Property(
        "passwordUnencrypted",
        Kind.SECRET,
        "The password. It is sealed before it is stored and never shown again.",
        universal=True,
    ),
    Property(
        "baseRole",
        Kind.TEXT,
        "The role of everybody who has no better one on this connection: NO_ACCESS, VIEWER, "
        "QUERY_TOPICS (also written RESTRICTED_QUERIER), QUERIER, MODELER, CONNECTION_ADMIN "
        "or the name of a custom role.",
        default="NO_ACCESS",
        universal=True,
        example="QUERIER",
    ),
    Property("warehouse", Kind.TEXT, "The compute that runs queries.", example="COMPUTE_WH"),
    Property(
        "includeSchemas",
        Kind.LIST,
        "Schemas to model, comma-separated; `*` stands for any text; empty means all.",
        universal=True,
        example="public,sales_*",
    ),
    Property(
        "includeOtherCatalogs",
        Kind.LIST,
        "Other catalogs to model, comma-separated.",
        example="other_db",
    ),
    Property(
        "defaultSchema",
        Kind.TEXT,
        "The schema of names written without one.",
        universal=True,
        example="public",
    ),
    Property(
        "queryTimeoutSeconds",
        Kind.INTEGER,
        "A query that runs longer, in seconds, is stopped.",
        default=900,
        minimum=1,
        maximum=3600,
        universal=True,
    ),
    Property(
        "region", Kind.TEXT, "The region of the service.", destination=True, example="us-east-1"
    ),
    Property(
        "maxBillingBytes",
        Kind.DIGITS,
        "A query that would bill more bytes is refused by the database.",
        example="1000000000",
    ),
    Property(
        "scratchSchema",
        Kind.TEXT,
        "The schema for tables made from uploads; it is not modelled.",
        universal=True,
    ),
    Property(
        "systemTimezone",
        Kind.TIMEZONE,
        "The time zone that stored timestamps without a zone are in (an IANA name).",
        default="UTC",
        universal=True,
    ),
    Property(
        "queryTimezone",
        Kind.TIMEZONE,
        "The time zone that answers are given in (an IANA name), or NONE for no conversion.",
        default="NONE",
        universal=True,
    ),
    Property(
        "allowsUserSpecificTimezones",
        Kind.BOOLEAN,
        "Whether a person may ask in a time zone of their own.",
        default=False,
        universal=True,
    ),
    Property(
        "trustServerCertificate",
        Kind.BOOLEAN,
        "Accept any certificate of the server. Prefer the operator's own CA file.",
        default=False,
        destination=True,
    ),
    Property(
        "privateKey",
        Kind.SECRET,
        "RSA private key (PKCS#8, 2048 bits or more) for key-pair sign-in. PEM headers are added "
        "when they are missing.",
    ),
    Property("acceptsLicense", Kind.BOOLEAN, "Accepts the licence terms of the driver."),
    Property(
        "authenticationType",
        Kind.TEXT,
        "How to sign in.",
        destination=True,
    ),
    Property(
        "awsRoleArn",
        Kind.TEXT,
        "The AWS role to assume.",
        destination=True,
        example="arn:aws:iam::123456789012:role/reader",
    ),
    Property(
        "enableDbSemanticLayerIntegration",
        Kind.BOOLEAN,
        "Also read the semantic objects that the database keeps.",
        default=False,
    ),
    Property(
        "enableDbSemanticLayerTopics",
        Kind.BOOLEAN,
        "Make a topic of each semantic object that was read.",
        default=False,
    ),
    Property(
        "externalOauthAudience", Kind.TEXT, "The audience for external OAuth.", destination=True
    ),
    Property(
        "externalOauthAuthorizationUrl",
        Kind.URL,
        "The authorization URL for external OAuth (https).",
        destination=True,
        example="https://login.example.com/authorize",
    ),
    Property(
        "externalOauthTokenUrl",
        Kind.URL,
        "The token URL for external OAuth (https).",
        destination=True,
        example="https://login.example.com/token",
    ),
    Property(
        "hostOverride",
        Kind.TEXT,
        "A full host name in place of the one made from `host`; not together with it.",
        destination=True,
        example="account.privatelink.snowflakecomputing.com",
    ),
    Property(
        "inferRelationshipsFromForeignKeys",
        Kind.BOOLEAN,
        "Make relationships of declared foreign keys.",
        default=False,
    ),
    Property("oauthClientId", Kind.TEXT, "The OAuth client id.", destination=True),
    Property("oauthClientSecretUnencrypted", Kind.SECRET, "The OAuth client secret."),
    Property(
        "offloadedSchemas",
        Kind.LIST,
        "Schemas whose metadata is read only when asked for, comma-separated.",
        universal=True,
    ),
    Property(
        "useMachineAuth",
        Kind.BOOLEAN,
        "Sign in as the machine or service principal, not as a person.",
        default=False,
        destination=True,
    ),
    Property(
        "alwaysScopeViewNames",
        Kind.BOOLEAN,
        "Put the schema (and catalog) in every view's name. True by default where a connection "
        "can reach several catalogs.",
        universal=True,
    ),
    Property(
        "inferRelationshipsFromColumnNames",
        Kind.BOOLEAN,
        "Make relationships of column names that follow a convention.",
        default=True,
        universal=True,
    ),
    Property(
        "wifAudience",
        Kind.TEXT,
        "The workload identity provider.",
        destination=True,
        example="//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
    ),
    Property(
        "wifServiceAccountEmail",
        Kind.TEXT,
        "The service account to act as; the federated identity itself when absent.",
        destination=True,
    ),
    Property(
        "workspaceHost",
        Kind.TEXT,
        "The workspace that makes the tokens for this database.",
        destination=True,
        example="dbc-1.cloud.databricks.com",
    ),
    Property(
        "databaseInstance",
        Kind.TEXT,
        "The database instance, by its name in the workspace.",
        destination=True,
        example="shop",
    ),
    Property(
        "entraTenant",
        Kind.TEXT,
        "The Microsoft Entra tenant that user or service principal belong to.",
        destination=True,
        example="example.onmicrosoft.com",
    ),
)

PROPERTIES: dict[str, Property] = {p.name: p for p in _ALL}
SECRETS: frozenset[str] = frozenset(p.name for p in _ALL if p.kind is Kind.SECRET)
DESTINATION: tuple[str, ...] = tuple(p.name for p in _ALL if p.destination)
