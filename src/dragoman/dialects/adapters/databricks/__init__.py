"""Databricks SQL over Thrift: the connector's generated classes speak, our own door dials.

The connector itself is not used: it repeats requests, follows redirects, asks for feature flags,
reports what it does and reads the environment, each by ways that the network has not checked.
"""
