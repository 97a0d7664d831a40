"""Sessions in a process of their own, for drivers whose native code may crash or hang.

The server's side is `WorkerSession`, a `Session` like any other. The other side is `child`. The
worker never dials: it asks the server, which checks the address and hands over the socket.
"""

from dragoman.dialects.isolation.session import WorkerSession

__all__ = ["WorkerSession"]
