"""Fills the navigation of the documentation from its folders.

A page in `docs/dialects/` or `docs/decisions/` appears under its heading without being listed.
"""

from __future__ import annotations

from pathlib import Path

FOLDERS = {"Dialects": "dialects", "Decisions": "decisions"}


def on_config(config):
    """mkdocs calls this before it reads the pages."""
    root = Path(config.docs_dir)
    for heading, folder in FOLDERS.items():
        pages = sorted((root / folder).glob("*.md"), key=lambda page: (page.stem != "index", page))
        if pages:
            config.nav.append({heading: [page.relative_to(root).as_posix() for page in pages]})
    return config
