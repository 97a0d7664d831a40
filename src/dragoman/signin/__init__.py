"""How people sign in: passwords, links, sessions of browsers."""
