"""Large answers through the Storage Read API: Arrow batches in one ordered stream.

It speaks gRPC only, which looks names up itself and asks the environment for proxies. Here its
channel is told the checked address, with the real name for the certificate and the request.
Source: gRPC documentation, "Name Resolution" (ipv4 and ipv6 targets), channel arguments.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from dragoman.dialects.arrow import RecordBatch, pyarrow
from dragoman.dialects.network import Network

HOST: Final = "bigquerystorage.googleapis.com"
_MESSAGE_BYTES: Final = 128 * 1024 * 1024


class Reader:
    """Reads finished results; `close` may be called from any thread."""

    def __init__(self, network: Network, credentials: Any) -> None:
        """Nothing is dialled yet, but the name is looked up. Raises `DatabaseFailure`."""
        self._channel = _channel(network, credentials)

    def batches(self, project: str, table: Any, seconds: float) -> Iterator[RecordBatch]:
        """The rows of a table, in its order. Any exception may come out."""
        from google.cloud.bigquery_storage_v1 import BigQueryReadClient, types
        from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
            BigQueryReadGrpcTransport,
        )

        transport: Any = BigQueryReadGrpcTransport(channel=self._channel)
        client: Any = BigQueryReadClient(transport=transport)
        asked: Any = types.ReadSession(
            table=f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}",
            data_format=types.DataFormat.ARROW,
        )
        session = client.create_read_session(
            parent=f"projects/{project}",
            read_session=asked,
            max_stream_count=1,
            timeout=seconds,
            retry=None,
        )
        pa = pyarrow()
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        for stream in session.streams:
            for answer in client.read_rows(stream.name, retry=None):
                data = answer.arrow_record_batch.serialized_record_batch
                yield pa.ipc.read_record_batch(pa.py_buffer(data), schema)

    def close(self) -> None:
        """Ends the channel; a read under way fails."""
        with contextlib.suppress(Exception):
            self._channel.close()


def _channel(network: Network, credentials: Any) -> Any:
    import grpc
    import requests
    from google.auth.transport.grpc import AuthMetadataPlugin
    from google.auth.transport.requests import Request

    address = network.resolve(HOST, 443)[0]
    family = ip_address(address.ip).version
    place = f"[{address.ip}]" if family == 6 else address.ip
    trusted = Path(network.tls.ca_path()).read_bytes()
    # The token is fresh: the request that could fetch another has no way out.
    nowhere = requests.Session()
    nowhere.trust_env = False
    nowhere.adapters.clear()
    plugin: Any = AuthMetadataPlugin(credentials, Request(nowhere))
    return grpc.secure_channel(
        f"ipv{family}:{place}:{address.port}",
        grpc.composite_channel_credentials(
            grpc.ssl_channel_credentials(trusted), grpc.metadata_call_credentials(plugin)
        ),
        options=[
            ("grpc.ssl_target_name_override", HOST),
            ("grpc.default_authority", HOST),
            ("grpc.enable_http_proxy", 0),
            ("grpc.service_config_disable_resolution", 1),
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
        ],
    )
