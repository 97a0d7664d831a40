"""Who we are to AWS: keys of the connection, this machine's identity, or a role assumed by either.

The machine's identity is what stands in the environment: keys, or a web identity (as Kubernetes
gives to a pod by IRSA). No profile file is read, and no metadata service is asked: egress dials
none, since whoever may ask it is the machine.
"""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dragoman.dialects.adapters.aws.endpoint import STS, Endpoint
from dragoman.dialects.adapters.aws.errors import no_identity
from dragoman.dialects.base import Target
from dragoman.dialects.network import Network
from dragoman.secret import SecretStr

_SESSION_NAME: Final = "dragoman"
_FRESH_SECONDS: Final = 300.0  # temporary keys are renewed this long before their end


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs a call. `expires`: None for keys that last."""

    id: str
    secret: SecretStr
    token: SecretStr | None = None
    expires: datetime | None = None

    def left(self) -> float:
        """How many seconds they last; infinite for keys that last."""
        if self.expires is None:
            return math.inf
        return (self.expires - datetime.now(UTC)).total_seconds()

    def fresh(self) -> bool:
        """Whether they can be used for a while."""
        return self.left() > _FRESH_SECONDS

    def signer(self) -> Any:
        """As botocore takes them."""
        from botocore.credentials import ReadOnlyCredentials

        token = None if self.token is None else self.token.reveal()
        return ReadOnlyCredentials(self.id, self.secret.reveal(), token)


class Identity:
    """Gives keys that are valid now; may be asked from any thread."""

    def __init__(self, target: Target, region: str, network: Network, seconds: float) -> None:
        """`region`: whose STS is asked. `seconds`: for each call to it."""
        self._target = target
        self._sts = Endpoint(STS, region, network, seconds)
        self._keys: Keys | None = None
        self._lock = threading.Lock()

    def keys(self) -> Keys:
        """The keys. Raises `DatabaseFailure`, `ApiError` and what the transport raises."""
        with self._lock:
            if self._keys is None or not self._keys.fresh():
                self._keys = self._current()
            return self._keys

    def close(self) -> None:
        """Hang up; harmless at any time."""
        self._sts.close()

    def _current(self) -> Keys:
        own = self._own()
        role = self._target.text("awsRoleArn")
        return self._assumed("AssumeRole", own, RoleArn=role) if role else own

    def _own(self) -> Keys:
        target = self._target
        by_machine = target.settings.get("useMachineAuth") or not target.username
        return self._machine() if by_machine else Keys(target.username, target.password)

    def _machine(self) -> Keys:
        """Source: AWS SDKs and tools reference guide, "Environment variables"."""
        environment = os.environ
        id_, secret = (environment.get(f"AWS_{n}") for n in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
        if id_ and secret:
            token = environment.get("AWS_SESSION_TOKEN")
            return Keys(id_, SecretStr(secret), SecretStr(token) if token else None)
        file, role = (environment.get(f"AWS_{n}") for n in ("WEB_IDENTITY_TOKEN_FILE", "ROLE_ARN"))
        if not file or not role:
            raise no_identity()
        try:
            proof = Path(file).read_text("utf-8").strip()
        except (OSError, ValueError):
            raise no_identity() from None
        return self._assumed(
            "AssumeRoleWithWebIdentity", None, RoleArn=role, WebIdentityToken=proof
        )

    def _assumed(self, action: str, own: Keys | None, **fields: str) -> Keys:
        field = self._sts.query(
            action, own and own.signer(), RoleSessionName=_SESSION_NAME, **fields
        )
        return Keys(
            field("AccessKeyId"),
            SecretStr(field("SecretAccessKey")),
            SecretStr(field("SessionToken")),
            datetime.fromisoformat(field("Expiration")),
        )
