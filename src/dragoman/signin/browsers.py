"""What the routes of this room share about the browser that asks."""

from __future__ import annotations

from starlette.responses import Response

from dragoman.access.principal import Principal
from dragoman.api import cookies
from dragoman.api.call import Call
from dragoman.api.errors import BadRequest
from dragoman.secret import SecretStr


def visitor(call: Call) -> Principal:
    """Who signed in with a browser. Raises `BadRequest` for a token."""
    if not call.principal.is_session:
        raise BadRequest("Bad Request: this is for who signed in with a browser, not for a token")
    return call.principal


def with_cookie(call: Call, response: Response, secret: SecretStr) -> Response:
    """The answer, with the secret of the session for the browser to keep."""
    settings = call.house.settings
    secure = cookies.is_secure(call.request, settings)
    cookies.give(response, secret, settings.session_hours * 3600, secure=secure)
    return response
