"""The HTTP house services: routing, errors, authentication, limits, paging, OpenAPI."""
