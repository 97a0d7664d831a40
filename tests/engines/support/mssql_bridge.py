"""An emulator of SQL Server: pysqlbridge, a TDS listener over CSV files.

    python mssql_bridge.py DIRECTORY PORT USER PASSWORD CERTIFICATE KEY

Runs in the environment that has pysqlbridge, alone. It accepts any database, and answers one
request before it reads the next, so it cannot show a cancel.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from pathlib import Path
from typing import Any

from pysqlbridge.catalog import load as load_catalog
from pysqlbridge.certificate import Certificate
from pysqlbridge.logins import load as load_logins
from pysqlbridge.server import serve
from pysqlbridge.tds.connection import Connection
from pysqlbridge.tds.login import Login7

ROWS = 200_000


def take_tokens(home: Path) -> None:
    """Teach it Entra, which it does not know: a login whose extension has a token that stands in
    the file `tokens`. What each login carried is a line of the file `logins`.

    Source: [MS-TDS] 2.2.6.4, FEATUREEXT with FEDAUTH and a security token.
    """
    parse, refuse = Login7.parse.__func__, Connection._answer_sql_login

    def parsed(cls: Any, payload: bytes) -> Any:
        login = parse(cls, payload)
        login.token = token_of(payload)
        said = {"server": login.server_name, "user": login.user_name, "token": login.token}
        said["password"] = bool(login.password)
        with home.joinpath("logins").open("a") as log:
            log.write(json.dumps(said) + "\n")
        return login

    def answered(self: Any, responses: list[bytes]) -> bool:
        known = home.joinpath("tokens").read_text().split() if self._login.token else []
        if self._login.token and self._login.token in known:
            self._finish_login(responses)
            return True
        return bool(refuse(self, responses))

    Login7.parse = classmethod(parsed)
    Connection._answer_sql_login = answered


def token_of(login: bytes) -> str:
    if not login[27] & 0x10:
        return ""
    (place,) = struct.unpack_from("<H", login, 56)
    (at,) = struct.unpack_from("<I", login, place)
    while login[at] != 0xFF:
        (length,) = struct.unpack_from("<I", login, at + 1)
        if login[at] == 2:
            (size,) = struct.unpack_from("<I", login, at + 6)
            return login[at + 10 : at + 10 + size].decode("utf-16-le")
        at += 5 + length
    return ""


def main() -> None:
    directory, port, user, password, certificate, key = sys.argv[1:]
    home = Path(directory)
    home.joinpath("victim.csv").write_text("a\n1\n")
    home.joinpath("numbers.csv").write_text("n\n" + "\n".join(map(str, range(1, ROWS + 1))))
    config = home / "config.json"
    # Further tables are files that were there before.
    tables = [{"name": each.stem, "csv": each.name} for each in sorted(home.glob("*.csv"))]
    config.write_text(
        json.dumps({"tables": tables, "logins": [{"user": user, "password": password}]})
    )
    catalog = load_catalog(config)

    def answer(query: Any) -> Any:
        if "sleep_for_long" in query.sql:
            time.sleep(8)
        return catalog.answer(query)

    take_tokens(home)
    pair = Certificate(Path(certificate).read_bytes(), Path(key).read_bytes())
    serve("127.0.0.1", int(port), pair, answer, "shop", load_logins(config))


if __name__ == "__main__":
    main()
