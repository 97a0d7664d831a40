"""Git remotes: fetch and push of one branch's files, over SSH or HTTPS, from servers nobody trusts.

No git command runs, no hook, no configuration and no submodule of the remote is ever followed, and
nothing is checked out: files are read from objects and objects are made from files.
"""

from dragoman.gitremote.address import RepositoryAddress, parse_address
from dragoman.gitremote.failures import GitFailure
from dragoman.gitremote.githubapp import Installation
from dragoman.gitremote.keys import DeployKey, generate_key, load_key
from dragoman.gitremote.limits import Limits
from dragoman.gitremote.opening import access_to
from dragoman.gitremote.remote import Access, Author, Moved, Remote, Snapshot
from dragoman.gitremote.signing import Committer

__all__ = [
    "Access",
    "Author",
    "Committer",
    "DeployKey",
    "GitFailure",
    "Installation",
    "Limits",
    "Moved",
    "Remote",
    "RepositoryAddress",
    "Snapshot",
    "access_to",
    "generate_key",
    "load_key",
    "parse_address",
]
