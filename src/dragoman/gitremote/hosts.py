"""What is known of the hosts of repositories: their web pages, and what they want as a user name.

Sources: the hosts' own documentation on deploy tokens, access tokens and new pull requests.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote, urlsplit

from dragoman.gitremote.address import RepositoryAddress

Provider = Literal["github", "gitlab", "azure_devops", "bitbucket", "bitbucket_datacenter"]
Choice = Provider | Literal["auto"]

_TOKEN_USERS: dict[Provider, str] = {
    "github": "x-access-token",
    "gitlab": "oauth2",
    "azure_devops": "dragoman",  # any
    "bitbucket": "x-token-auth",
    "bitbucket_datacenter": "x-token-auth",
}


def provider_of(choice: Choice, address: RepositoryAddress) -> Provider | None:
    """The host's kind: as chosen, or told by its name; None when that says nothing."""
    if choice != "auto":
        return choice
    host = address.host.lower()
    if host in ("bitbucket.org", "altssh.bitbucket.org"):
        return "bitbucket"
    if host == "dev.azure.com" or host.endswith((".dev.azure.com", ".visualstudio.com")):
        return "azure_devops"
    for word, provider in _WORDS:
        if word in re.split(r"[.-]", host):
            return provider
    # What only Bitbucket's own server has: port 7999, or /scm/ in the path.
    own = address.port == 7999 or address.path.startswith("/scm/")
    return "bitbucket_datacenter" if own else None


_WORDS: tuple[tuple[str, Provider], ...] = (
    ("github", "github"),
    ("gitlab", "gitlab"),
    ("bitbucket", "bitbucket_datacenter"),
    ("stash", "bitbucket_datacenter"),
)


def token_user(provider: Provider | None) -> str:
    """The user name that goes with a token when the clone URL has none."""
    return _TOKEN_USERS[provider] if provider is not None else "git"


def token_scheme(provider: Provider | None) -> Literal["basic", "bearer"]:
    """How a token is sent."""
    return "bearer" if provider == "bitbucket_datacenter" else "basic"


def web_url(provider: Provider | None, address: RepositoryAddress) -> str | None:
    """The repository's page, without a slash at the end; None where it cannot be told."""
    path = _quoted(address.path.strip("/").removesuffix(".git"))
    host = address.host.lower()
    port = f":{address.port}" if address.transport == "https" and address.port != 443 else ""
    if provider in ("github", "gitlab"):
        return f"https://{host.removeprefix('ssh.')}{port}/{path}"
    if provider == "bitbucket":
        return f"https://bitbucket.org/{path}"
    if provider == "azure_devops":
        return _azure(host, path)
    if provider == "bitbucket_datacenter":
        project, _, name = path.removeprefix("scm/").partition("/")
        place = f"users/{project[1:]}" if project.startswith("~") else f"projects/{project}"
        return f"https://{host}{port}/{place}/repos/{name}" if name else None
    return None


def _azure(host: str, path: str) -> str | None:
    """`v3/org/project/repo` over SSH, `org/project/_git/repo` over HTTPS."""
    parts = [part for part in path.split("/") if part]
    if len(parts) == 4 and parts[0] == "v3":
        return f"https://dev.azure.com/{parts[1]}/{parts[2]}/_git/{parts[3]}"
    return f"https://{host}/{path}" if "_git" in parts else None


def pull_request_url(
    provider: Provider | None, web: str | None, branch: str, base: str
) -> str | None:
    """The page that opens a pull request of a branch, or shows the one there is."""
    if provider is None or web is None:
        return None
    web = web.rstrip("/")
    source, target = quote(branch, safe="/"), quote(base, safe="/")
    flat_source, flat_target = quote(branch, safe=""), quote(base, safe="")
    return {
        "github": f"{web}/compare/{target}...{source}?expand=1",
        "gitlab": f"{web}/-/merge_requests/new?merge_request%5Bsource_branch%5D={flat_source}"
        f"&merge_request%5Btarget_branch%5D={flat_target}",
        "azure_devops": f"{web}/pullrequestcreate?sourceRef={flat_source}&targetRef={flat_target}",
        "bitbucket": f"{web}/pull-requests/new?source={flat_source}&dest={flat_target}",
        "bitbucket_datacenter": f"{web}/pull-requests?create&sourceBranch="
        f"refs%2Fheads%2F{flat_source}&targetBranch=refs%2Fheads%2F{flat_target}",
    }[provider]


def is_web_url(text: str) -> bool:
    """Whether a text can be shown as a link."""
    if not text.isprintable() or any(c in text for c in " <>\"'\\"):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc


def _quoted(path: str) -> str:
    return quote(path, safe="/%~")
