"""StarRocks: a session of MySQL's with what this server does in its own way."""
