"""Prometheus metrics. Labels are route templates and statuses: never ids, names or secrets."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("dragoman_requests_total", "Requests answered.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "dragoman_request_seconds",
    "Time until the answer began.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
QUERIES_RUNNING = Gauge(
    "dragoman_queries_running", "Queries running.", ["dialect"], multiprocess_mode="livesum"
)
QUERIES = Counter("dragoman_queries_total", "Queries ended.", ["dialect", "outcome"])
ROWS = Counter("dragoman_rows_total", "Rows sent.", ["dialect"])
CONNECTS = Counter(
    "dragoman_connects_total",
    "Attempts to open a session of a database: opened, failed, refused (the circuit is open).",
    ["dialect", "outcome"],
)
CIRCUITS_OPEN = Gauge(
    "dragoman_circuits_open",
    "Connections whose database is left alone after failures in a row.",
    ["dialect"],
    multiprocess_mode="livesum",
)
JOBS = Counter("dragoman_jobs_total", "Background jobs ended.", ["kind", "outcome"])
LIMITER_FAILURES = Counter("dragoman_limiter_failures_total", "Rate limiter was away.")


# The label values are few: routes, methods and statuses of ours. Looking a child up costs more than
# counting in it.
requests = lru_cache(4096)(REQUESTS.labels)
request_seconds = lru_cache(1024)(REQUEST_SECONDS.labels)


def circuit_changed(dialect: str, opened: bool) -> None:
    """Count a circuit breaker that opened, or ceased to be open."""
    CIRCUITS_OPEN.labels(dialect).inc(1 if opened else -1)


def exposition() -> tuple[bytes, str]:
    """The metrics as text, and its media type. Sums all processes where there are several."""
    import os

    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST
