"""A client that downloads one answer again and again, as fast as it comes: a process of its own.

It reads a plan as JSON from stdin and prints what it got as JSON. What is not whole when the time
is over is left, as somebody does who closes the page.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
import time

import msgspec

BUFFER = 1 << 20
END = b"0\r\n\r\n"  # of a chunked answer


class Plan(msgspec.Struct):
    """What to ask for, and how long. The request asks to close the connection."""

    port: int
    request: str
    seconds: float


def download(plan: Plan, over: float) -> tuple[int, bool]:
    """Bytes of one answer, and whether it is whole. Raises `RuntimeError` for a refusal."""
    buffer = memoryview(bytearray(BUFFER))
    size, head, tail = 0, b"", b""
    with socket.create_connection(("127.0.0.1", plan.port)) as connection:
        connection.sendall(plan.request.encode())
        while (left := over - time.perf_counter()) > 0:
            connection.settimeout(left)
            try:
                read = connection.recv_into(buffer)
            except TimeoutError:
                break
            if not read:
                return size, _is_whole(head, tail, size)
            if not size:
                head = bytes(buffer[: min(read, 2000)])
                if head[9:12] != b"200":
                    raise RuntimeError(f"the server answered {head!r}")
            size += read
            tail = (tail + bytes(buffer[max(0, read - len(END)) : read]))[-len(END) :]
    return size, False


def _is_whole(head: bytes, tail: bytes, size: int) -> bool:
    start, _, _ = head.partition(b"\r\n\r\n")
    for line in start.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return size == len(start) + 4 + int(value)
    return tail == END


def main() -> None:
    """Run a plan."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    began = time.perf_counter()
    whole, total = 0, 0
    while time.perf_counter() < began + plan.seconds:
        size, complete = download(plan, began + plan.seconds)
        total += size
        whole += complete
        if not complete and time.perf_counter() < began + plan.seconds:
            raise RuntimeError("an answer broke off")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seen = {"whole": whole, "bytes": total, "processor": usage.ru_utime + usage.ru_stime}
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
