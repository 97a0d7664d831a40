"""Questions in SQL on a connection, answered as a stream of rows."""
