"""Passwords that AWS makes for its databases: tokens of RDS, credentials of Redshift.

A token of RDS is a signed address: it is made here, and opens this database for this user only. A
credential of Redshift is asked for, and is sent to no host but the one that AWS gave the cluster.

Source: botocore's `generate_db_auth_token`; Amazon RDS user guide, "IAM database authentication";
Amazon Redshift API reference, "GetClusterCredentials", "GetClusterCredentialsWithIAM"; Amazon
Redshift Serverless API reference, "GetCredentials".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from dragoman.dialects.adapters.aws.endpoint import Endpoint, Service
from dragoman.dialects.adapters.aws.errors import ApiError, not_answered, refused
from dragoman.dialects.adapters.aws.identity import Identity, Keys
from dragoman.dialects.aws import Warehouse, rds_region
from dragoman.dialects.base import Driver, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.minting import Minted
from dragoman.dialects.network import Network
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

_SIGNATURES: Final = Driver("botocore", "botocore", "aws")
_RDS_SECONDS: Final = 900
_REDSHIFT: Final = Service("redshift", version="2012-12-01")
_SERVERLESS: Final = Service("redshift-serverless", prefix="RedshiftServerless")


@dataclass(frozen=True, slots=True)
class RdsToken:
    """Makes tokens of RDS and Aurora for the target's host, port and user."""

    target: Target
    advice: str = (
        "Check that IAM authentication is on, that the user may sign in by it (PostgreSQL: GRANT "
        "rds_iam TO it; MySQL and MariaDB: IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'), and "
        "that the policy allows rds-db:connect as this user."
    )

    def mint(self, network: Network, seconds: float) -> Minted:
        """See `Minter.mint`."""
        target = self.target
        region = target.text("region") or rds_region(target.host)
        with _signing(target, region, network, seconds) as keys:
            token = rds_token(target.host, target.port, target.username, region, keys())
            return Minted(target.username, token, min(_RDS_SECONDS, keys().left()))


def rds_token(host: str, port: int, username: str, region: str, keys: Keys) -> SecretStr:
    """The token: an address signed for 15 minutes, without its scheme."""
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    scheme, said = "https://", {"Action": "connect", "DBUser": username}
    request: Any = AWSRequest("GET", f"{scheme}{host}:{port}/", data=said)
    SigV4QueryAuth(keys.signer(), "rds-db", region, _RDS_SECONDS).add_auth(request)
    return SecretStr(str(request.url).removeprefix(scheme))


@dataclass(frozen=True, slots=True)
class RedshiftCredential:
    """Asks for credentials of a cluster or a workgroup. A cluster's user may be named."""

    target: Target
    warehouse: Warehouse
    advice: str = (
        "Check that the database user exists (AWS makes none), and that it may use this database."
    )

    def mint(self, network: Network, seconds: float) -> Minted:
        """See `Minter.mint`."""
        target, where = self.target, self.warehouse
        with _signing(target, where.region, network, seconds) as keys:
            service = _SERVERLESS if where.serverless else _REDSHIFT
            endpoint = Endpoint(service, where.region, network, seconds)
            with contextlib.closing(endpoint), endpoint.door.at_most(3 * seconds):
                ask = _of_workgroup if where.serverless else _of_cluster
                return ask(endpoint, keys(), target, where.name)


def _of_cluster(endpoint: Endpoint, keys: Keys, target: Target, cluster: str) -> Minted:
    fields = {"ClusterIdentifier": cluster, "DbName": target.database}
    if target.username:
        action = "GetClusterCredentials"
        fields |= {"DbUser": target.username, "AutoCreate": "false"}
    else:
        action = "GetClusterCredentialsWithIAM"
    field = endpoint.query(action, keys.signer(), **fields)
    expires = datetime.fromisoformat(field("Expiration"))
    return _minted(field("DbUser"), field("DbPassword"), expires)


def _of_workgroup(endpoint: Endpoint, keys: Keys, target: Target, workgroup: str) -> Minted:
    body = {"workgroupName": workgroup, "dbName": target.database}
    told: Mapping[str, Any] = endpoint.json("GetCredentials", body, keys.signer())
    expires = datetime.fromtimestamp(float(told["expiration"]), UTC)
    return _minted(str(told["dbUser"]), str(told["dbPassword"]), expires)


def _minted(username: str, password: str, expires: datetime) -> Minted:
    return Minted(username, SecretStr(password), (expires - datetime.now(UTC)).total_seconds())


@contextlib.contextmanager
def _signing(
    target: Target, region: str, network: Network, seconds: float
) -> Generator[Callable[[], Keys]]:
    """Gives the machine's keys, or the role's; whatever goes wrong becomes `DatabaseFailure`."""
    _SIGNATURES.require()
    identity = Identity(target, region, network, seconds)
    try:
        yield identity.keys
    except ApiError as error:
        raise _refused(error, target) if error.code else not_answered(error) from None
    except Exception as error:  # noqa: BLE001 - on a stranger's answer anything is raised
        raise not_answered(error) from None
    finally:
        identity.close()


def _refused(error: ApiError, target: Target) -> DatabaseFailure:
    return refused(error, target.secrets) or DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.AUTHENTICATION_FAILED,
        f"AWS: {tidy(error.message, target.secrets)}",
        "Check host, database and user, and that the cluster or workgroup belongs to this account.",
        error.code,
    )
