"""Models: layers of files over a connection's schema model, on branches, every save a version."""
