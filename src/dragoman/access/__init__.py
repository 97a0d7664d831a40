"""Who may do what: roles, permissions, principals and the one policy."""
