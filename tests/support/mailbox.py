"""A mail server on loopback that keeps what it gets: as much of RFC 5321 as smtplib speaks."""

from __future__ import annotations

import contextlib
import email
import queue
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from typing import Any


@dataclass
class Mailbox:
    """`letters` in the order they came; `refusing` answers every recipient with 550."""

    port: int
    letters: queue.Queue[EmailMessage] = field(default_factory=queue.Queue)
    refusing: bool = False

    def next(self, seconds: float = 30.0) -> EmailMessage:
        """The next letter. Raises `queue.Empty`."""
        return self.letters.get(timeout=seconds)


class _Talk(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        box: Mailbox = self.server.box  # pyright: ignore[reportAttributeAccessIssue]
        self._say("220 loopback")
        while line := self.rfile.readline():
            command = line.split(b" ")[0].strip().upper()
            if command == b"DATA":
                self._say("354 go on")
                box.letters.put(self._letter())
                self._say("250 kept")
            elif command == b"QUIT":
                return self._say("221 bye")
            else:
                refused = command == b"RCPT" and box.refusing
                self._say("550 no such person" if refused else "250 fine")
        return None

    def _letter(self) -> Any:
        lines = iter(self.rfile.readline, b".\r\n")
        return email.message_from_bytes(b"".join(lines), policy=policy.default)

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@contextlib.contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server for the time of the block."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Talk) as server:
        server.daemon_threads = True
        box = server.box = Mailbox(server.server_address[1])  # pyright: ignore[reportAttributeAccessIssue]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()
