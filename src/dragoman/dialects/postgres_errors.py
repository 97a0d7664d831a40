"""PostgreSQL's errors as `DatabaseFailure`: by SQLSTATE where there is one, else by the text.

Source: PostgreSQL documentation, Appendix A. At connect time libpq gives a text only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

QUERY_CANCELED: Final = "57014"

_BY_CODE: dict[str, Cause] = {
    "0A000": Cause.OTHER,
    "25006": Cause.READ_ONLY,
    "28000": Cause.AUTHENTICATION_FAILED,
    "28P01": Cause.AUTHENTICATION_FAILED,
    "3D000": Cause.DATABASE_NOT_FOUND,
    "3F000": Cause.SCHEMA_NOT_FOUND,
    "42501": Cause.PERMISSION_DENIED,
    "42601": Cause.SYNTAX_ERROR,
    "42703": Cause.OBJECT_NOT_FOUND,
    "42704": Cause.OBJECT_NOT_FOUND,
    "42883": Cause.OBJECT_NOT_FOUND,
    "42P01": Cause.OBJECT_NOT_FOUND,
    "53300": Cause.TOO_MANY_CONNECTIONS,
    QUERY_CANCELED: Cause.CANCELLED,
    "57P01": Cause.CONNECTION_LOST,
    "57P02": Cause.CONNECTION_LOST,
    "57P03": Cause.CONNECTION_LOST,
}
# libpq's and the server's own words; the server's are translated where lc_messages is.
_BY_TEXT: tuple[tuple[str, Stage, Cause, str | None], ...] = (
    (
        r"password authentication failed|no password supplied|authentication failed",
        Stage.AUTHENTICATION,
        Cause.AUTHENTICATION_FAILED,
        "Check user name and password. The server gives the same answer for an unknown user.",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        Stage.AUTHENTICATION,
        Cause.PERMISSION_DENIED,
        "Let this client's address in: pg_hba.conf on the server, or the service's allow list.",
    ),
    (
        r"role .* (does not exist|is not permitted to log in)",
        Stage.AUTHENTICATION,
        Cause.AUTHENTICATION_FAILED,
        "Check the user name.",
    ),
    (
        r"database .* does not exist",
        Stage.DATABASE,
        Cause.DATABASE_NOT_FOUND,
        "Check the name of the database; capitals count.",
    ),
    (
        r"permission denied for database",
        Stage.DATABASE,
        Cause.PERMISSION_DENIED,
        "GRANT CONNECT on the database to this user.",
    ),
    (
        r"too many (clients|connections)|remaining connection slots",
        Stage.AUTHENTICATION,
        Cause.TOO_MANY_CONNECTIONS,
        "Wait, close idle sessions, or raise max_connections on the server.",
    ),
    (
        r"certificate verify failed|does not match host name|server certificate",
        Stage.TLS,
        Cause.TLS_UNTRUSTED,
        "Check the server's certificate and the operator's CA file (tls_ca_file).",
    ),
    (
        r"does not support SSL|SSL error|SSL SYSCALL",
        Stage.TLS,
        Cause.TLS_UNSUPPORTED,
        "Check that TLS 1.2 or later is switched on in the server.",
    ),
    (r"timeout expired|timed out", Stage.AUTHENTICATION, Cause.TIMEOUT, None),
    (r"Connection refused", Stage.TCP, Cause.REFUSED, None),
)
_LOST = re.compile(
    r"server closed the connection|no connection to the server|terminating connection"
    r"|connection (is|was|already) (closed|lost)|could not receive data"
    r"|SSL error: unexpected eof|SSL connection has been",
)
_MULTIDIMENSIONAL = "elements in multidimensional arrays"
_PREFIX = re.compile(
    r"^(connection failed: )?(\w+: )?(\[libpq\] )?"
    r"((Failed to connect|connection to server[^\n]* failed|Failed to [^:\n]*|could not begin COPY"
    r"|Execution error \[\w+\]): )*((ERROR|FATAL|PANIC): +)?"
)


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of opening a connection."""
    text = str(error)
    message = _message(text, secrets)
    code = sqlstate(error)
    for pattern, stage, cause, fix in _BY_TEXT:
        if re.search(pattern, text):
            return DatabaseFailure(stage, cause, message, fix, code)
    cause = _BY_CODE.get(code or "", Cause.OTHER)
    if cause is Cause.DATABASE_NOT_FOUND:
        return DatabaseFailure(Stage.DATABASE, cause, message, None, code)
    if cause is Cause.OTHER and _LOST.search(text):
        cause = Cause.CONNECTION_LOST
    return DatabaseFailure(Stage.AUTHENTICATION, cause, message, None, code)


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a statement. Mid-stream ADBC raises a bare OSError with the server's text."""
    text = str(error)
    code = sqlstate(error) or _code_of_text(text)
    if _LOST.search(text):
        message = "The database closed the connection."
        return DatabaseFailure(Stage.QUERY, Cause.CONNECTION_LOST, message, None, code)
    if _MULTIDIMENSIONAL in text:
        return DatabaseFailure(
            Stage.QUERY,
            Cause.OTHER,
            "A column has an array of several dimensions, which Arrow lists would flatten.",
            "Cast the column to text or use to_json(column).",
            code,
        )
    cause = _BY_CODE.get(code or "", Cause.OTHER)
    return DatabaseFailure(Stage.QUERY, cause, _message(text, secrets), None, code)


def sqlstate(error: Exception) -> str | None:
    """The five characters, from psycopg or ADBC; None where the driver had none."""
    found = getattr(error, "sqlstate", None)
    return found if isinstance(found, str) and len(found) == 5 else None


def _code_of_text(text: str) -> str | None:
    if "canceling statement" in text:
        return QUERY_CANCELED
    found = re.search(r"SQLSTATE: (\w{5})\b", text)
    return found[1] if found else None


def _message(text: str, secrets: Mapping[str, SecretStr]) -> str:
    """The server's sentence: without the driver's words before it and the query after it."""
    text = text.split("\n\nQuery was:")[0].split("Query was:")[0]
    text = re.sub(r" '.*?': (?=(ERROR|FATAL):)", ": ", text, flags=re.DOTALL)
    text = re.sub(r"\. SQLSTATE: \w{5}\s*$", "", text)
    return tidy(_PREFIX.sub("", text, count=1), secrets) or "The database gave no reason."
