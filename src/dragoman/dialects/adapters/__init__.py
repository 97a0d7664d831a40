"""Adapters: what a dialect's live sessions are made of, a module or a package for each."""
