"""Opening a client of clickhouse-connect, and what its server lets a session set."""

from __future__ import annotations

import math
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse import errors
from dragoman.dialects.adapters.clickhouse.door import Door, pool_manager
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

# The driver gives up this long after the server should have stopped the statement.
GRACE_SECONDS: Final = 15
_ARROW: Final = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_fixed_string_as_fixed_byte_array": 0,
    "output_format_arrow_variant_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
    "output_format_arrow_date_as_uint16": 0,
}


def sign_in(target: Target, door: Door, options: SessionOptions, database: str) -> Any:
    """An open client. Raises `DatabaseFailure`."""
    import clickhouse_connect

    with door.at_most(2 * options.connect_seconds) as late:
        try:
            client = clickhouse_connect.get_client(
                interface="http",  # the door encrypts
                host=target.host,
                port=target.port,
                username=target.username,
                password=target.password.reveal(),
                database=database,
                pool_mgr=pool_manager(door),
                compress=False,  # batches come compressed one by one
                query_retries=0,
                connect_timeout=math.ceil(options.connect_seconds),
                send_receive_timeout=math.ceil(options.connect_seconds),
                autogenerate_session_id=False,
                # Its own would name this machine's user and system.
                headers={"User-Agent": "dragoman"},
            )
            client.command("SELECT 1")
        except DatabaseFailure:
            raise
        except Exception as error:  # noqa: BLE001 - on a stranger's answer the driver raises anything
            if late.is_set():
                raise _too_slow() from None
            raise errors.connect_failure(error, target.secrets) from None
    _wait_for_statements(client, options)
    return client


def _too_slow() -> DatabaseFailure:
    message = "The server did not finish its answer in time."
    return DatabaseFailure(Stage.AUTHENTICATION, Cause.TIMEOUT, message)


def settings(client: Any, options: SessionOptions, notices: list[str]) -> dict[str, Any]:
    """Settings that each statement carries: as many of ours as this user may set.

    A fresh user gets `readonly = 1`, which also keeps the statement from setting anything itself
    and from reading files and addresses through table functions.
    """
    known = client.server_settings
    profile = known["readonly"].value if "readonly" in known else "0"
    if profile == "1":
        notices.append(
            "This user may change no setting (readonly = 1): the time zone is the server's, and "
            "statements are stopped from here."
        )
        return {}
    limit = options.timeout_seconds
    wanted: dict[str, Any] = {
        "max_execution_time": round(limit) if limit == round(limit) else limit,
        "timeout_overflow_mode": "throw",
        "session_timezone": options.timezone or "UTC",
        **_ARROW,
    }
    if options.read_only and profile == "0":
        wanted["readonly"] = 1
    kept = {n: v for n, v in wanted.items() if n in known and not known[n].readonly}
    if "session_timezone" not in kept:
        notices.append("The server sets no time zone for a session; its own is used.")
    return kept


def _wait_for_statements(client: Any, options: SessionOptions) -> None:
    from urllib3 import Timeout

    client.timeout = Timeout(
        connect=options.connect_seconds, read=options.timeout_seconds + GRACE_SECONDS
    )
