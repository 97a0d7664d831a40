"""What Databricks Lakebase adds to PostgreSQL: a password that may be a token, and tokens end.

The server answers an ended token with the words for any wrong password. The token itself says when
it ends (RFC 7519, claim `exp`), so that can be told. Nothing is decided by what it says: its
signature is not verified here.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any, cast

from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.secret import SecretStr

_LASTING = "a role of PostgreSQL with a password of its own lasts."


def expiry(password: SecretStr) -> datetime | None:
    """When the token ends, by its own words; None for what is no such token."""
    parts = password.reveal().split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims: Any = json.loads(payload)
        seconds = cast("dict[str, Any]", claims)["exp"] if isinstance(claims, dict) else None
        return None if seconds is None else datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, binascii.Error):
        return None


def with_hint(failure: DatabaseFailure, password: SecretStr, now: datetime) -> DatabaseFailure:
    """A refused password told as what it may be: a token that has ended."""
    if failure.cause is not Cause.AUTHENTICATION_FAILED:
        return failure
    ended = expiry(password)
    message = failure.message
    if ended is None:
        fix = f"Check user name and password. An OAuth token ends after about an hour; {_LASTING}"
    elif ended <= now:
        message = f"{message.removesuffix('.')}. The token ended at {ended:%Y-%m-%d %H:%M:%S} UTC."
        fix = f"Store a new token, or use a lasting password: {_LASTING}"
    else:
        fix = "The token has not ended: check that the user name is the one it was made for."
    return DatabaseFailure(failure.stage, failure.cause, message, fix, failure.code)
