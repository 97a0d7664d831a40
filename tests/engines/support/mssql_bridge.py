"""An emulator of SQL Server: pysqlbridge, a TDS listener over CSV files.

    python mssql_bridge.py DIRECTORY PORT USER PASSWORD CERTIFICATE KEY

Runs in the environment that has pysqlbridge, alone. It accepts any database, and answers one
request before it reads the next, so it cannot show a cancel.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from pysqlbridge.catalog import load as load_catalog
from pysqlbridge.certificate import Certificate
from pysqlbridge.logins import load as load_logins
from pysqlbridge.server import serve

ROWS = 200_000


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

    pair = Certificate(Path(certificate).read_bytes(), Path(key).read_bytes())
    serve("127.0.0.1", int(port), pair, answer, "shop", load_logins(config))


if __name__ == "__main__":
    main()
