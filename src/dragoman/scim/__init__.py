"""SCIM 2.0 (RFC 7642 to 7644): what identity providers send and read. The rules are identity's."""
