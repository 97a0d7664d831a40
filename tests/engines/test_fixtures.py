"""The engine fixtures themselves: what they promise to the tests built on them."""

from __future__ import annotations

import ssl

import psycopg
import pymysql
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import create_engine, text

from tests.support import engines
from tests.support.certificates import Certificates
from tests.support.engines import Engine


@pytest.mark.engine("postgres")
def test_postgres_wants_the_password(postgres_server: Engine) -> None:
    with psycopg.connect(postgres_server.url("postgresql")) as connection:
        assert connection.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
    wrong = postgres_server.url("postgresql").replace(postgres_server.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


@pytest.mark.engine("postgres")
def test_postgres_tls_is_verifiable(
    postgres_tls_server: Engine, certificates: Certificates
) -> None:
    url = postgres_tls_server.url("postgresql")
    with psycopg.connect(
        url, sslmode="verify-full", sslrootcert=str(postgres_tls_server.ca_file)
    ) as connection:
        assert connection.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(url, sslmode="verify-full", sslrootcert=str(certificates.other_ca_file))


@pytest.mark.engine("postgres")
@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("expired", "certificate verify failed"),
        ("other_ca", "certificate verify failed"),
        ("other_host", "does not match host name"),
    ],
)
@pytest.mark.slow
def test_a_wrong_certificate_is_wrong(
    certificates: Certificates, kind: str, complaint: str
) -> None:
    try:
        binaries = engines.system_postgres_binaries()
    except engines.Unavailable as reason:
        pytest.skip(str(reason))
    with engines.run_postgres(binaries, getattr(certificates, kind)) as server:
        url = server.url("postgresql").replace(engines.HOST, "localhost")
        with pytest.raises(psycopg.OperationalError, match=complaint):
            psycopg.connect(url, sslmode="verify-full", sslrootcert=str(certificates.ca_file))


def _mariadb(server: Engine, **options: object) -> pymysql.Connection:
    return pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.username,
        password=server.password,
        database=server.database,
        **options,
    )


@pytest.mark.engine("mariadb")
def test_mariadb_has_no_anonymous_user(mariadb_server: Engine) -> None:
    connection = _mariadb(mariadb_server)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM mysql.user WHERE User = ''")
        assert cursor.fetchone() == (0,)
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        pymysql.connect(host=mariadb_server.host, port=mariadb_server.port, user="", password="")


@pytest.mark.engine("mariadb")
def test_mariadb_tls_is_verifiable(mariadb_tls_server: Engine, certificates: Certificates) -> None:
    trusting = ssl.create_default_context(cafile=mariadb_tls_server.ca_file)
    connection = _mariadb(mariadb_tls_server, ssl=trusting)
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        assert cursor.fetchone()[1]
    distrusting = ssl.create_default_context(cafile=certificates.other_ca_file)
    with pytest.raises(pymysql.OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        _mariadb(mariadb_tls_server, ssl=distrusting)


@pytest.mark.engine("redis")
def test_redis_wants_the_password(redis_server: Engine) -> None:
    with redis.Redis.from_url(redis_server.url("redis")) as client:
        assert client.ping()
    with (
        redis.Redis(redis_server.host, redis_server.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_store_url_is_an_empty_store(empty_store_url: str) -> None:
    engine = create_engine(empty_store_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE first (id INTEGER PRIMARY KEY)"))
        assert connection.execute(text("SELECT count(*) FROM first")).scalar() == 0
    engine.dispose()


@pytest.mark.parametrize("run", [engines.run_mariadb, engines.run_redis])
def test_an_absent_server_is_named(monkeypatch: pytest.MonkeyPatch, run) -> None:
    monkeypatch.setattr(engines, "SYSTEM_PATHS", "/nowhere")
    with pytest.raises(engines.Unavailable, match=r"no (mariadbd|redis-server) on this machine"):
        run().__enter__()
