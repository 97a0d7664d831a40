"""MariaDB: MySQL's SQL; MEDIAN and PERCENTILE_CONT are window functions only."""

from __future__ import annotations

from dragoman.dialects.sql.mysql import MysqlFunctions

FUNCTIONS = MysqlFunctions()
