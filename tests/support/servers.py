"""Small socket servers on 127.0.0.1, good and bad ones, each alive for one `with` block."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

from tests.support.certificates import ServerCertificate

Handler = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(handler: Handler, place: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[int]:
    """Runs `handler` for each client in a thread of its own. Gives the port."""
    with socket.create_server(place) as listener:
        thread = threading.Thread(target=_accept, args=(listener, handler), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Closing alone does not wake a thread inside accept().
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def tls_handler(pair: ServerCertificate, before: Handler = lambda client: None) -> Handler:
    """Speaks TLS with the pair, after what `before` does in plain text; then waits for the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)

    def handle(client: socket.socket) -> None:
        before(client)
        with context.wrap_socket(client, server_side=True) as secured:
            secured.recv(1)

    return handle


def saying(data: bytes) -> Handler:
    """Sends the bytes, then waits for the client to go."""

    def handle(client: socket.socket) -> None:
        client.sendall(data)
        while client.recv(4096):
            pass

    return handle


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """A port where nothing listens, held so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextlib.contextmanager
def unanswering() -> Iterator[int]:
    """A port whose queue is full: the kernel drops further connection requests (Linux)."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def connected(sent: bytes, *, close: bool = True) -> Iterator[socket.socket]:
    """A TCP client whose server has already sent `sent` and, unless told otherwise, hung up."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as server,
    ):
        server.sendall(sent)
        if close:
            server.shutdown(socket.SHUT_WR)
        yield client


def _accept(listener: socket.socket, handler: Handler) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_handle, args=(client, handler), daemon=True).start()


def _handle(client: socket.socket, handler: Handler) -> None:
    # Clients of these tests leave in the middle of a conversation.
    with client, contextlib.suppress(OSError):
        handler(client)
