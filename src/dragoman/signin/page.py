"""The pages to sign in on and to let applications in on: files of ours, nothing from another host,
no script in a page."""

from __future__ import annotations

import functools
from pathlib import Path

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_FILES = Path(__file__).with_name("static")
_SHIPPED = {
    "signin.css": "text/css",
    "signin.js": "text/javascript",
    "authorize.js": "text/javascript",
}


@functools.cache
def html(name: str = "signin") -> str:
    """A page itself."""
    return (_FILES / f"{name}.html").read_text("utf-8")


def asset(name: str) -> tuple[bytes, str] | None:
    """A file of the page as (bytes, media type); None for any other name."""
    # Names come from anybody: only those that are there may reach the cache.
    return (_read(name), _SHIPPED[name]) if name in _SHIPPED else None


@functools.cache
def _read(name: str) -> bytes:
    return (_FILES / name).read_bytes()
