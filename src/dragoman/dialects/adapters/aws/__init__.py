"""AWS: signed calls through a checked door, who signs them, and passwords for its databases."""
