"""From a body to a checked configuration, its secrets beside it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from dragoman.api.errors import BadRequest
from dragoman.git.records import APP_KEY, PRIVATE_KEY, SIGNING, TOKEN, Configuration
from dragoman.git.schemas import GitBody
from dragoman.gitremote import (
    DeployKey,
    GitFailure,
    generate_key,
    githubapp,
    load_key,
    parse_address,
)
from dragoman.gitremote.hosts import is_web_url
from dragoman.secret import SecretStr

_DEFAULTS: Mapping[str, Any] = {
    "auth_method": "ssh",
    "base_branch": "main",
    "branch_per_pull_request": False,
    "git_follower": False,
    "git_service_provider": "auto",
    "require_pull_request": "never",
    "web_url": None,
    "public_key": None,
    "key_generated": False,
    "host_key": None,
    "github_app_id": None,
    "github_app_installation_id": None,
    "committer_name": None,
    "committer_email": None,
    "signing_key": None,
}
_PLAIN = (
    *("auth_method", "base_branch", "branch_per_pull_request", "git_follower"),
    *("git_service_provider", "github_app_id", "github_app_installation_id"),
    "require_pull_request",
)
# What belongs to one way of signing in, and is refused with the others.
_OWN: Mapping[str, Mapping[str, str]] = {
    "ssh": {
        "deploy_private_key": "deployPrivateKey",
        "deploy_key_passphrase": "deployKeyPassphrase",
    },
    "https_token": {"token": "token"},
    "github_app": {
        "github_app_id": "githubAppId",
        "github_app_installation_id": "githubAppInstallationId",
        "github_app_private_key": "githubAppPrivateKey",
    },
}
_PART = re.compile(r"[\w.][\w .+@-]*")
_HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) ([A-Za-z0-9+/]+=*)")
OWN_FOLDER = "omni"


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration to store, and the secrets that are new with it."""

    configuration: Configuration
    secrets: Mapping[str, SecretStr]


def new(body: GitBody, model_id: str, model_name: str, now: str) -> Draft:
    """The configuration that a body makes. Raises `BadRequest`."""
    clone_url = _clone_url(body)
    if clone_url is None:
        raise BadRequest("Bad Request: cloneUrl: Required")
    values: dict[str, Any] = {**_DEFAULTS, "model_path": f"{OWN_FOLDER}/{_slug(model_name)}"}
    start = Configuration(
        model_id=model_id, clone_url=clone_url, created_at=now, updated_at=now, **values
    )
    return _checked(_changed(start, body, now), body, None)


def change(body: GitBody, before: Configuration, now: str) -> Draft:
    """The configuration after a change. Raises `BadRequest`."""
    return _checked(_changed(before, body, now), body, before)


def new_webhook_secret() -> SecretStr:
    """What hosts sign their calls with."""
    return SecretStr(secrets.token_urlsafe(32))


def _changed(before: Configuration, body: GitBody, now: str) -> Configuration:
    values: dict[str, Any] = {
        name: getattr(body, name) for name in _PLAIN if getattr(body, name) is not msgspec.UNSET
    }
    clone_url = _clone_url(body)
    if clone_url is not None:
        values["clone_url"] = clone_url
    if body.model_path is not msgspec.UNSET:
        values["model_path"] = _model_path(body.model_path)
    if body.web_url is not msgspec.UNSET:
        values["web_url"] = _web_url(body.web_url)
    if body.host_key is not msgspec.UNSET:
        values["host_key"] = _host_key(body.host_key)
    for name in ("committer_name", "committer_email"):
        given = getattr(body, name)
        if given is not msgspec.UNSET:
            values[name] = _person(given, name)
    if clone_url is not None and _place(clone_url) != _place(before.clone_url):
        values.setdefault("host_key", None)
    return replace(before, **values, updated_at=now)


def _checked(wanted: Configuration, body: GitBody, before: Configuration | None) -> Draft:
    _check_branch(wanted.base_branch)
    address = _address(wanted.clone_url)
    if wanted.auth_method == "ssh" and address.transport != "ssh":
        raise BadRequest(
            "Bad Request: cloneUrl: Invalid SSH URL",
            extra={"fix": "Give git@host:path or ssh://…, or set authMethod to https_token."},
        )
    if wanted.auth_method != "ssh" and address.transport != "https":
        raise BadRequest(
            f"Bad Request: cloneUrl: an HTTPS URL is needed with authMethod {wanted.auth_method}"
        )
    moved = before is None or address.destination != before.address.destination
    _check_own(wanted.auth_method, body)
    opened = _OPENED[wanted.auth_method](wanted, body, before, moved)
    return _signing(opened, body)


def _check_own(method: str, body: GitBody) -> None:
    for other, names in _OWN.items():
        for name, told in names.items():
            if other != method and getattr(body, name) is not msgspec.UNSET:
                raise BadRequest(f"Bad Request: {told}: only with authMethod {other}")


def _signing(draft: Draft, body: GitBody) -> Draft:
    """With a key to sign commits, or another, or none, as the body wants it."""
    before = draft.configuration.signing_key
    wanted = before is not None if body.sign_commits is msgspec.UNSET else body.sign_commits
    if body.rotate_signing_key and not wanted:
        raise BadRequest("Bad Request: rotateSigningKey: only with signCommits")
    if not wanted:
        return replace(draft, configuration=replace(draft.configuration, signing_key=None))
    if before is not None and not body.rotate_signing_key:
        return draft
    key = generate_key(f"{_comment(draft.configuration)}-commits")
    made = replace(draft.configuration, signing_key=key.public)
    return Draft(made, {**draft.secrets, SIGNING: key.private})


def _with_key(
    wanted: Configuration, body: GitBody, before: Configuration | None, moved: bool
) -> Draft:
    wanted = replace(wanted, github_app_id=None, github_app_installation_id=None)
    given = body.deploy_private_key
    if given is msgspec.UNSET:
        if body.deploy_key_passphrase is not msgspec.UNSET:
            raise BadRequest("Bad Request: deployKeyPassphrase: needs deployPrivateKey")
        if before is not None and before.public_key is not None and not moved:
            return Draft(wanted, {})
        if before is not None and before.public_key is not None and not before.key_generated:
            raise _needed("deployPrivateKey")
        # A new place gets a new key: the old one stays where it was put.
        return _keyed(wanted, generate_key(_comment(wanted)), generated=True)
    phrase = body.deploy_key_passphrase
    try:
        key = load_key(SecretStr(given), SecretStr(phrase) if phrase else None, _comment(wanted))
    except GitFailure as failure:
        raise BadRequest(f"Bad Request: deployPrivateKey: {failure.message}") from None
    return _keyed(wanted, key, generated=False)


def _keyed(wanted: Configuration, key: DeployKey, *, generated: bool) -> Draft:
    made = replace(wanted, public_key=key.public, key_generated=generated)
    return Draft(made, {PRIVATE_KEY: key.private})


def _with_token(
    wanted: Configuration, body: GitBody, before: Configuration | None, moved: bool
) -> Draft:
    wanted = replace(_without_key(wanted), github_app_id=None, github_app_installation_id=None)
    if body.token is not msgspec.UNSET:
        return Draft(wanted, {TOKEN: SecretStr(body.token)})
    if before is None or before.auth_method != "https_token":
        raise BadRequest("Bad Request: token: Required when authMethod is https_token")
    if moved:
        raise _needed("token")
    return Draft(wanted, {})


def _with_app(
    wanted: Configuration, body: GitBody, before: Configuration | None, moved: bool
) -> Draft:
    wanted = _without_key(wanted)
    for name in ("github_app_id", "github_app_installation_id"):
        if getattr(wanted, name) is None:
            told = _OWN["github_app"][name]
            raise BadRequest(f"Bad Request: {told}: Required when authMethod is github_app")
    if body.github_app_private_key is not msgspec.UNSET:
        key = SecretStr(body.github_app_private_key)
        try:
            githubapp.check_key(key)
        except GitFailure as failure:
            raise BadRequest(
                f"Bad Request: githubAppPrivateKey: {failure.message}", extra={"fix": failure.fix}
            ) from None
        return Draft(wanted, {APP_KEY: key})
    if before is None or before.auth_method != "github_app":
        raise BadRequest("Bad Request: githubAppPrivateKey: Required when authMethod is github_app")
    if moved:
        raise _needed("githubAppPrivateKey")
    return Draft(wanted, {})


def _without_key(wanted: Configuration) -> Configuration:
    return replace(wanted, public_key=None, key_generated=False, host_key=None)


_OPENED = {"ssh": _with_key, "https_token": _with_token, "github_app": _with_app}


def _needed(name: str) -> BadRequest:
    return BadRequest(
        f"Bad Request: {name}: Must be sent again, since the repository's host changed",
        extra={"code": "secret_required", "fix": "A saved secret is never sent to a new address."},
    )


def _clone_url(body: GitBody) -> str | None:
    """`cloneUrl`, or its deprecated twin."""
    new, old = body.clone_url, body.ssh_url
    if new is not msgspec.UNSET and old is not msgspec.UNSET and new != old:
        raise BadRequest("Bad Request: sshUrl: differs from cloneUrl; send cloneUrl only")
    given = new if new is not msgspec.UNSET else old
    return None if given is msgspec.UNSET else given.strip()


def _address(clone_url: str) -> Any:
    try:
        return parse_address(clone_url)
    except GitFailure as failure:
        extra = {"fix": failure.fix} if failure.fix else {}
        raise BadRequest(f"Bad Request: cloneUrl: {failure.message}", extra=extra) from None


def _place(clone_url: str) -> Any:
    return _address(clone_url).destination


def _check_branch(name: str) -> None:
    from dulwich.refs import Ref, check_ref_format

    if not name.isprintable() or not check_ref_format(Ref(b"refs/heads/" + name.encode())):
        raise BadRequest("Bad Request: baseBranch: not the name of a git branch")


def _model_path(text: str) -> str:
    """`my_model` means `omni/my_model`; with a slash before it, a path from the root."""
    own = text.strip().strip("/")
    custom = text.strip().startswith("/")
    parts = own.split("/") if own else []
    bad = [p for p in parts if not _PART.fullmatch(p) or p.strip(".") == "" or p == ".git"]
    if bad or (not parts and not custom):
        raise BadRequest("Bad Request: modelPath: not a path inside a repository")
    if custom:
        return f"/{own}"
    return own if own.startswith(f"{OWN_FOLDER}/") else f"{OWN_FOLDER}/{own}"


def _web_url(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    if not is_web_url(text.strip()):
        raise BadRequest("Bad Request: webUrl: not a web address")
    return text.strip()


def _host_key(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    found = _HOST_KEY.match(text.strip())
    if found is None:
        raise BadRequest(
            "Bad Request: hostKey: not a host key",
            extra={"fix": "Give a line of ssh-keyscan without the host: ssh-ed25519 AAAA…"},
        )
    return f"{found[1]} {found[3]}"


def _person(text: str | None, name: str) -> str | None:
    said = (text or "").strip()
    mail = name == "committer_email"
    if any(c in said for c in "<>\n\r\0") or (said and mail and "@" not in said):
        told = "committerEmail" if mail else "committerName"
        raise BadRequest(f"Bad Request: {told}: not a name that a commit can have")
    return said or None


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII).strip("._-") or "model"


def _comment(wanted: Configuration) -> str:
    return f"dragoman-{wanted.model_id[:8]}"
