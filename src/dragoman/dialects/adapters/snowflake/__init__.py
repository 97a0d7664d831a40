"""Snowflake over the vendor's connector, kept to the network and the files that it may use."""
