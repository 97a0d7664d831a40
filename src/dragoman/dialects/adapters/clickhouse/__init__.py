"""ClickHouse over HTTP: clickhouse-connect speaks, our door dials, Arrow carries the rows."""
