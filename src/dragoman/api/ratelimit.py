"""Requests a minute for each token, and refused tokens a minute for each address.

Counts live in memory, or in Redis where several processes share them. When Redis is away the
limit is not enforced and a metric says so: a limiter must not take the API down.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from dragoman.api.errors import TooManyRequests
from dragoman.observability import metrics
from dragoman.secret import SecretStr

log = structlog.get_logger()
REDIS_SECONDS = 1.0


@dataclass(slots=True)
class Limit:
    """One limit. `check` counts a request and raises `TooManyRequests` past the limit."""

    name: str
    per_minute: int
    limiter: SlidingWindowCounterRateLimiter

    async def check(self, key: str) -> None:
        """Count one request of `key`. Raises `TooManyRequests` past the limit."""
        await self._ask(self.limiter.hit, key)

    async def peek(self, key: str) -> None:
        """As `check`, without counting: before work that is only counted when it fails."""
        await self._ask(self.limiter.test, key)

    async def _ask(self, question: Callable[..., Awaitable[bool]], key: str) -> None:
        if self.per_minute == 0:
            return
        item = _item(self.per_minute)
        try:
            if await question(item, self.name, key):
                return
            window = await self.limiter.get_window_stats(item, self.name, key)
        except Exception as error:  # noqa: BLE001 - whatever the storage raises, the API goes on
            metrics.LIMITER_FAILURES.inc()
            log.warning("rate limiter is away", error=type(error).__name__)
            return
        raise self._refusal(max(1, math.ceil(window.reset_time - time.time())))

    def _refusal(self, wait: int) -> TooManyRequests:
        """The documented body, with the headers of draft-ietf-httpapi-ratelimit-headers."""
        return TooManyRequests(
            f"Too Many Requests - Rate limit exceeded ({self.per_minute} requests/minute)",
            headers={
                "Retry-After": str(wait),
                "RateLimit-Policy": f'"{self.name}";q={self.per_minute};w=60',
                "RateLimit": f'"{self.name}";r=0;t={wait}',
                "X-RateLimit-Limit": str(self.per_minute),
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(int(time.time()) + wait),
            },
        )


_item = cache(RateLimitItemPerMinute)


def limiter(redis_url: SecretStr) -> SlidingWindowCounterRateLimiter:
    """The counting backend: memory, or Redis (needs the extra `redis`)."""
    return SlidingWindowCounterRateLimiter(_storage(redis_url))


def _storage(redis_url: SecretStr) -> Storage:
    url = redis_url.reveal()
    if not url:
        return MemoryStorage()
    from limits.aio.storage import RedisStorage

    # A Redis that does not answer must not hold up the requests that it would count.
    return RedisStorage(
        f"async+{url}",
        implementation="redispy",
        socket_connect_timeout=REDIS_SECONDS,
        socket_timeout=REDIS_SECONDS,
    )
