"""The generated Thrift classes of the connector, all of it that is used: no pandas, no HTTP."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from dragoman.dialects.adapters.databricks.transport import Messages

_PACKAGE: Final = "databricks.sql.thrift_api.TCLIService"


def types() -> Any:
    """The structures of requests and answers."""
    return import_module(f"{_PACKAGE}.ttypes")


def client(messages: Messages) -> Any:
    """A client of the service whose messages go that way. For one thread at a time."""
    protocol = import_module("thrift.protocol.TBinaryProtocol").TBinaryProtocol(messages)
    return import_module(f"{_PACKAGE}.TCLIService").Client(protocol)
