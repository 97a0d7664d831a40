"""SQL Server: Microsoft's driver behind a tunnel of ours, which dials and does TLS."""
