"""Egress: may we dial this address? One policy for every connection that leaves the server."""

from dragoman.egress.allowlist import AllowList
from dragoman.egress.policy import EgressPolicy, Mode
from dragoman.egress.resolver import Resolver, system_resolver

__all__ = ["AllowList", "EgressPolicy", "Mode", "Resolver", "system_resolver"]
