"""Who has which role, where it comes from, and roles of one's own making."""
