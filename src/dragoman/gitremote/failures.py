"""What may go wrong with a git remote, told as every other failure of an outgoing connection."""

from __future__ import annotations

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

_SHOWN = 300


class GitFailure(DatabaseFailure):
    """One failed step of a conversation with a git server. Texts hold no secret."""


def invalid(message: str, fix: str | None = None) -> GitFailure:
    """The settings themselves are wrong."""
    return GitFailure(Stage.SETTINGS, Cause.SETTINGS_INVALID, message, fix)


def unreachable(failure: DatabaseFailure) -> GitFailure:
    """The network said no: the same failure without advice about databases."""
    fix = failure.fix if failure.cause is Cause.ADDRESS_DENIED else _ADVICE.get(failure.stage)
    return GitFailure(failure.stage, failure.cause, failure.message, fix, failure.code)


_ADVICE = {
    Stage.DNS: "Check the spelling of the host, and that this server's DNS knows the name.",
    Stage.TCP: "Check host and port, and the firewall between this server and the git host.",
    Stage.TLS: "Add the authority that signed its certificate to tls_ca_file, if it is your own.",
}


def untrusted(message: str, fix: str) -> GitFailure:
    """The server is not the one it was before, or not the one it says."""
    return GitFailure(Stage.TLS, Cause.TLS_UNTRUSTED, message, fix)


def refused(message: str, fix: str | None = None) -> GitFailure:
    """The server does not accept the key or the token."""
    return GitFailure(Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED, message, fix)


def missing(message: str, fix: str | None = None) -> GitFailure:
    """The repository or the branch is not there."""
    return GitFailure(Stage.DATABASE, Cause.OBJECT_NOT_FOUND, message, fix)


def forbidden(message: str, fix: str | None = None) -> GitFailure:
    """The server understood and does not permit it, a protected branch for example."""
    return GitFailure(Stage.PRIVILEGES, Cause.PERMISSION_DENIED, message, fix)


def nonsense(message: str, fix: str | None = None) -> GitFailure:
    """The answer is not what a git server says, or nothing that is read."""
    return GitFailure(Stage.DATABASE, Cause.OTHER, message, fix)


def too_large(what: str, limit: str) -> GitFailure:
    """More than this server takes from a remote."""
    message = f"The repository sends too much: {what} may be {limit} at most."
    return GitFailure(Stage.DATABASE, Cause.OTHER, message, "Keep the model in a smaller one.")


def silent() -> GitFailure:
    """Nothing, or too little, came in time."""
    return GitFailure(Stage.DATABASE, Cause.TIMEOUT, "The git server did not answer in time.")


def lost() -> GitFailure:
    """The conversation ended early."""
    message = "The git server closed the connection before its answer was complete."
    return GitFailure(Stage.DATABASE, Cause.CONNECTION_LOST, message)


def quoted(raw: bytes) -> str:
    """Text of a stranger, short and without anything that moves a cursor or splits a line."""
    text = raw[: 2 * _SHOWN].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_SHOWN]
