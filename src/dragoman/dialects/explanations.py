"""What each cause means and what a person can do: one source for answers and documentation.

An adapter that knows better says so in its `DatabaseFailure`; these are for where it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

if TYPE_CHECKING:
    from dragoman.dialects.base import Declaration


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a cause shows itself first, what it means, and the fix."""

    stage: Stage
    means: str
    fix: str


EXPLANATIONS: Final[Mapping[Cause, Explanation]] = MappingProxyType(
    {
        Cause.SETTINGS_INVALID: Explanation(
            Stage.SETTINGS,
            "A setting of the connection, or of this server, cannot be used.",
            "Correct the setting that the message names.",
        ),
        Cause.SECRET_UNRESOLVED: Explanation(
            Stage.SETTINGS,
            "A secret that is kept outside (a variable or a file) cannot be read.",
            "Set the variable or the file on this server's machine, or store the secret here.",
        ),
        Cause.DRIVER_MISSING: Explanation(
            Stage.DRIVER,
            "The driver of this dialect is not installed on this server.",
            "Install the extra of the dialect and restart the server.",
        ),
        Cause.NOT_LIVE: Explanation(
            Stage.DRIVER,
            "This version does not do that with this dialect.",
            "Use another way to sign in, or a later version.",
        ),
        Cause.ADDRESS_DENIED: Explanation(
            Stage.DNS,
            "The rules of this server do not let it dial the address.",
            "Use another host, or ask the operator to allow it (settings egress and egress_allow).",
        ),
        Cause.HOST_NOT_FOUND: Explanation(
            Stage.DNS,
            "No address belongs to the host's name.",
            "Check the spelling of the host, and the name servers of this server's machine.",
        ),
        Cause.REFUSED: Explanation(
            Stage.TCP,
            "The machine answers, and nothing listens on the port.",
            "Check the port, and that the database runs and listens on this address.",
        ),
        Cause.UNREACHABLE: Explanation(
            Stage.TCP,
            "There is no way through the network to the machine.",
            "Check the network route and firewall between this server and the database.",
        ),
        Cause.TIMEOUT: Explanation(
            Stage.TCP,
            "Nobody answered in time: packets are dropped, or the server is too busy.",
            "Check host and port, and that no firewall drops packets from this server.",
        ),
        Cause.TLS_UNSUPPORTED: Explanation(
            Stage.TLS,
            "The server does not offer TLS, or no version that both sides know.",
            "Switch TLS on in the server; plain text is a matter of the setting tls_plaintext.",
        ),
        Cause.TLS_UNTRUSTED: Explanation(
            Stage.TLS,
            "The certificate has expired, is self-signed, or is from an unknown authority.",
            "Renew it, or add the authority that signed it to the CA file (tls_ca_file).",
        ),
        Cause.TLS_HOSTNAME: Explanation(
            Stage.TLS,
            "The certificate is valid for other host names.",
            "Use a host name that the certificate carries, or have it issued for this one.",
        ),
        Cause.AUTHENTICATION_FAILED: Explanation(
            Stage.AUTHENTICATION,
            "The user is unknown, or the password, key or token is wrong or has ended.",
            "Check user and secret, and that this user may sign in from this server's address.",
        ),
        Cause.SIGN_IN_NEEDED: Explanation(
            Stage.AUTHENTICATION,
            "Everybody signs in to this database for themselves: you have not, or it has ended.",
            "Open /connections/{id}/sign-in of this server in the browser, and allow it there.",
        ),
        Cause.TOO_MANY_CONNECTIONS: Explanation(
            Stage.AUTHENTICATION,
            "The database takes no more connections just now.",
            "Wait, close idle connections, or raise the limit of the database.",
        ),
        Cause.DATABASE_NOT_FOUND: Explanation(
            Stage.DATABASE,
            "There is no such database, or this user may not know of it.",
            "Check the spelling of the database (upper and lower case count).",
        ),
        Cause.SCHEMA_NOT_FOUND: Explanation(
            Stage.SCHEMA,
            "A schema of the settings is not there, or this user may not use it.",
            "Check defaultSchema and includeSchemas, and grant the user the use of the schema.",
        ),
        Cause.PERMISSION_DENIED: Explanation(
            Stage.PRIVILEGES,
            "The user may not do that, or may read no table.",
            "Grant the rights that the message names; SELECT on the tables is the least.",
        ),
        Cause.SYNTAX_ERROR: Explanation(
            Stage.QUERY,
            "The database does not understand the statement.",
            "Correct the statement where the message points.",
        ),
        Cause.OBJECT_NOT_FOUND: Explanation(
            Stage.QUERY,
            "The statement names a table, column or function that is not there.",
            "Check the spelling, and that the schema is named or is the default one.",
        ),
        Cause.READ_ONLY: Explanation(
            Stage.QUERY,
            "The statement would write; only reading is done.",
            "Send one statement that reads, such as SELECT.",
        ),
        Cause.QUERY_TIMEOUT: Explanation(
            Stage.QUERY,
            "The statement ran into the connection's time limit and was stopped.",
            "Ask for less, or raise queryTimeoutSeconds of the connection.",
        ),
        Cause.CANCELLED: Explanation(
            Stage.QUERY, "The statement was stopped on request.", "Run it again."
        ),
        Cause.TOO_LARGE: Explanation(
            Stage.QUERY,
            "The answer is larger than the server keeps, or has too many rows to calculate with.",
            "Set a limit, ask for fewer fields or coarser groups, or raise DRAGOMAN_MAX_RESULT_MB.",
        ),
        Cause.CONNECTION_LOST: Explanation(
            Stage.QUERY,
            "The connection ended in the middle of the conversation.",
            "Try again; if it happens again, look into the database's log at that time.",
        ),
        Cause.DRIVER_CRASHED: Explanation(
            Stage.QUERY,
            "The process in which this dialect's driver runs ended; the server goes on.",
            "Try again; if it happens again, install another version of the driver.",
        ),
        Cause.OTHER: Explanation(
            Stage.QUERY,
            "Something else; the message has the database's own words.",
            "Read the message; the database's log may say more.",
        ),
    }
)

_NOT_LISTENING: Final = frozenset({Cause.REFUSED, Cause.TIMEOUT, Cause.UNREACHABLE})


def fix_for(failure: DatabaseFailure, declaration: Declaration) -> str:
    """What a person can do: the failure's own advice first, and where the dialect listens."""
    fix = failure.fix or EXPLANATIONS[failure.cause].fix
    if failure.stage is Stage.TCP and failure.cause in _NOT_LISTENING and declaration.listens:
        return f"{fix} {declaration.label}: {declaration.listens}"
    return fix


def detail_of(failure: DatabaseFailure) -> str:
    """For a specialist: the stable name of the cause, and the database's own code."""
    code = f", code {failure.code}" if failure.code else ""
    return f"{failure.cause.value}{code}"
