"""Users, tokens, user attributes and roles on connections."""
