"""Signing in to BigQuery by workload identity federation: a token of this machine's identity
provider is exchanged at Google for one of its own. No key is kept anywhere.

Which token that is says the file that GOOGLE_APPLICATION_CREDENTIALS names, as Google's own tools
write it; of it only where the token lies is taken. Whom it is shown to, and whose rights it gets,
the connection says.
Sources: Google Cloud documentation, "Workload Identity Federation", AIP-4117.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

WAY: Final = "bigquery-workload-identity-federation"
STS_HOST: Final = "sts.googleapis.com"
IAM_HOST: Final = "iamcredentials.googleapis.com"
_FILE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_MOST: Final = 1 << 20
_JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
_KINDS: Final = frozenset((_JWT, "urn:ietf:params:oauth:token-type:id_token"))
_ADVICE: Final = (
    "Make it with `gcloud iam workload-identity-pools create-cred-config … "
    "--credential-source-file=…` for a file that this machine keeps up to date."
)


@dataclass(frozen=True, slots=True)
class MachineToken:
    """Where the machine's own token lies. `field`: of a JSON file, None for a bare token. `kind`:
    the type that Google's exchange is told."""

    file: Path
    field: str | None
    kind: str

    def get_subject_token(self, _context: Any, _request: Any) -> str:
        """The token, read anew: whoever issues it replaces the file (google-auth's interface)."""
        try:
            text = self.file.read_text(encoding="utf-8")[:_MOST].strip()
            token = text if self.field is None else str(json.loads(text)[self.field])
        except (OSError, ValueError, TypeError, KeyError):
            raise failure("The file with this machine's token cannot be read.") from None
        if not token:
            raise failure("The file with this machine's token is empty.")
        return token


def credentials(target: Target, scope: str) -> Any:
    """Google's credentials, not fetched yet. Raises `DatabaseFailure` (settings)."""
    from google.auth import identity_pool

    machine = machine_token()
    account = target.text("wifServiceAccountEmail")
    made: Any = identity_pool.Credentials(
        audience=target.text("wifAudience"),
        subject_token_type=machine.kind,
        token_url=f"https://{STS_HOST}/v1/token",
        subject_token_supplier=machine,  # pyright: ignore[reportArgumentType]
        service_account_impersonation_url=_impersonation(account) if account else None,
        scopes=[scope],
    )
    return made


def machine_token() -> MachineToken:
    """What the operator set up. Raises `DatabaseFailure` (settings)."""
    named = os.environ.get(_FILE, "")
    if not named:
        raise failure(f"This server has no identity for federation: {_FILE} is not set.")
    try:
        found: dict[str, Any] = json.loads(Path(named).read_text(encoding="utf-8")[:_MOST])
        source: dict[str, Any] = found["credential_source"]
        shape: dict[str, Any] = source.get("format") or {}
        file, kind = Path(str(source["file"])), str(found.get("subject_token_type", _JWT))
        field = str(shape["subject_token_field_name"]) if shape.get("type") == "json" else None
        right = found["type"] == "external_account" and kind in _KINDS
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        right, file, field, kind = False, Path(), None, ""
    if not right:
        raise failure(f"The file that {_FILE} names is no configuration of a token in a file.")
    return MachineToken(file, field, kind)


def _impersonation(account: str) -> str:
    base = f"https://{IAM_HOST}/v1/projects/-/serviceAccounts"
    return f"{base}/{account}:generateAccessToken"


def failure(message: str) -> DatabaseFailure:
    """What the operator has to mend."""
    return DatabaseFailure(Stage.SETTINGS, Cause.SETTINGS_INVALID, message, _ADVICE)
