"""Amazon Redshift: psycopg over PostgreSQL's protocol, its rows by a cursor of the server."""
