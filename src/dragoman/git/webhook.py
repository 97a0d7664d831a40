"""Calls of git hosts: who signed them, and which branch a pull request is about.

Sources: GitHub "Validating webhook deliveries" (X-Hub-Signature-256), Bitbucket Cloud and Data
Center "Webhooks" (X-Hub-Signature), GitLab "Webhooks" (X-Gitlab-Token), Azure DevOps "Service
hooks" (Basic authentication).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from typing import Any

from dragoman.secret import SecretStr
from dragoman.semantics.plain import mapping


def is_signed(headers: Mapping[str, str], body: bytes, secret: SecretStr) -> bool:
    """Whether one of the hosts' signatures is there and right. Header names are lower case."""
    key = secret.reveal().encode()
    right = "sha256=" + hmac.digest(key, body, "sha256").hex()
    for name in ("x-hub-signature-256", "x-hub-signature"):
        if name in headers:
            return _same(headers[name], right)
    if "x-gitlab-token" in headers:
        return _same(headers["x-gitlab-token"], secret.reveal())
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        password = base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return False
    return _same(password, secret.reveal())


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), right.encode())


# Where each host names the branch that a pull request brings in.
_PLACES = (
    ("pull_request", "head", "ref"),
    ("object_attributes", "source_branch"),
    ("pullrequest", "source", "branch", "name"),
    ("pullRequest", "fromRef", "displayId"),
    ("resource", "sourceRefName"),
)


def pull_request_branch(body: bytes) -> str | None:
    """The branch of the pull request that a call is about; None for another kind of call."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for place in _PLACES:
        value = said
        for key in place:
            value = mapping(value).get(key)
        if isinstance(value, str) and value:
            return value.removeprefix("refs/heads/")
    return None
