from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.dbt.facts import ViewFacts
from dragoman.dbt.manifest import Manifest, read_catalog, read_manifest

RECORDED = Path(__file__).parent / "recorded"
MANIFEST = (RECORDED / "manifest.json").read_bytes()
CATALOG = (RECORDED / "catalog.json").read_bytes()


@pytest.fixture
def manifest() -> Manifest:
    return read_manifest(MANIFEST)


@pytest.fixture
def facts(manifest: Manifest) -> list[ViewFacts]:
    """A view for each table that dbt built, as the catalog of dbt describes it."""
    catalog = read_catalog(CATALOG)
    found = []
    for node in manifest.tables():
        schema = node.schema or ""
        name = node.table if schema == "main" else f"{schema}__{node.table}"
        columns = {c.name.lower(): c.name.lower() for c in catalog.columns(node.unique_id)}
        path = f"{schema}/{node.table}.view"
        found.append(ViewFacts(name, path, schema, node.table, None, columns, {}))
    return found
