"""The interactive documentation: Swagger UI from local files, no other host is asked.

The files come with the distribution `swagger-ui-py`; only three of them are served.
"""

from __future__ import annotations

import functools
from importlib import util
from pathlib import Path

# Swagger UI styles its elements in place and shows small images as data.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dragoman API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  validatorUrl: null,
});
"""

_SHIPPED = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


def asset(name: str) -> tuple[bytes, str] | None:
    """A file of the page as (bytes, media type); None for any other name."""
    if name == "start.js":
        return _START, "text/javascript"
    # Names come from anybody: only the two that are there may reach the cache.
    return _shipped(name) if name in _SHIPPED else None


@functools.cache
def _shipped(name: str) -> tuple[bytes, str] | None:
    found = util.find_spec("swagger_ui")
    if found is None or found.origin is None:
        return None
    return (Path(found.origin).parent / "static" / name).read_bytes(), _SHIPPED[name]
