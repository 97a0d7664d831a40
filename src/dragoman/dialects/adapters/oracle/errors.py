"""Errors of Oracle and its thin driver as `DatabaseFailure`, by their code.

Sources: Oracle, "Database Error Messages"; python-oracledb documentation, "Catching Exceptions".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

_BY_CODE: Final = {
    "ORA-00018": Cause.TOO_MANY_CONNECTIONS,
    "ORA-00020": Cause.TOO_MANY_CONNECTIONS,
    "ORA-00028": Cause.CONNECTION_LOST,
    "ORA-00900": Cause.SYNTAX_ERROR,
    "ORA-00903": Cause.SYNTAX_ERROR,
    "ORA-00904": Cause.OBJECT_NOT_FOUND,
    "ORA-00907": Cause.SYNTAX_ERROR,
    "ORA-00923": Cause.SYNTAX_ERROR,
    "ORA-00933": Cause.SYNTAX_ERROR,
    "ORA-00936": Cause.SYNTAX_ERROR,
    "ORA-00942": Cause.OBJECT_NOT_FOUND,
    "ORA-01005": Cause.AUTHENTICATION_FAILED,
    "ORA-01013": Cause.CANCELLED,
    "ORA-01017": Cause.AUTHENTICATION_FAILED,
    "ORA-01031": Cause.PERMISSION_DENIED,
    "ORA-01045": Cause.PERMISSION_DENIED,
    "ORA-01456": Cause.READ_ONLY,
    "ORA-02391": Cause.TOO_MANY_CONNECTIONS,
    "ORA-03113": Cause.CONNECTION_LOST,
    "ORA-03114": Cause.CONNECTION_LOST,
    "ORA-12505": Cause.DATABASE_NOT_FOUND,
    "ORA-12514": Cause.DATABASE_NOT_FOUND,
    "ORA-12516": Cause.TOO_MANY_CONNECTIONS,
    "ORA-16000": Cause.READ_ONLY,
    "ORA-28000": Cause.AUTHENTICATION_FAILED,
    "ORA-28001": Cause.AUTHENTICATION_FAILED,
    "ORA-41900": Cause.PERMISSION_DENIED,
    "DPY-1001": Cause.CONNECTION_LOST,
    "DPY-4011": Cause.CONNECTION_LOST,
    "DPY-4024": Cause.QUERY_TIMEOUT,
    "DPY-6001": Cause.DATABASE_NOT_FOUND,
}

_CODE: Final = re.compile(r"(?:ORA|DPY)-\d{4,5}")


def code(error: Exception) -> str | None:
    """The full code (`ORA-00942`); None where the driver gave none."""
    arguments: tuple[Any, ...] = error.args
    return getattr(arguments[0], "full_code", None) or None if arguments else None


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in; network and TLS raise their own."""
    # DPY-6005 says only that there is no connection; the reason follows in the text.
    said = [code(error) or "", *_CODE.findall(str(error))]
    known = next((each for each in said if each in _BY_CODE), said[0]) or None
    cause = _BY_CODE.get(known or "", Cause.OTHER)
    message = tidy(str(error), secrets)
    if cause is Cause.DATABASE_NOT_FOUND:
        fix = "Check the service name (lsnrctl services shows those of a listener)."
        return DatabaseFailure(Stage.DATABASE, cause, message, fix, known)
    if known is None or not known.startswith("ORA-"):
        message = "The server's answer makes no sense to the Oracle driver."
        fix = "Check host, port and dialect."
        return DatabaseFailure(Stage.AUTHENTICATION, Cause.OTHER, message, fix, known)
    return DatabaseFailure(Stage.AUTHENTICATION, cause, message, None, known)


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a statement."""
    known = code(error)
    lost = known is None and isinstance(error, OSError)
    cause = Cause.CONNECTION_LOST if lost else _BY_CODE.get(known or "", Cause.OTHER)
    if cause is Cause.CONNECTION_LOST:
        message = "The database closed the connection."
        return DatabaseFailure(Stage.QUERY, cause, message, None, known)
    message = tidy(str(error), secrets) or "The database gave no reason."
    return DatabaseFailure(Stage.QUERY, cause, message, None, known)
