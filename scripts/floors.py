"""An import-linter contract for rooms of one shape: resources under `dragoman/`.

- `dragoman.X.tables` is imported by `dragoman.X` and by `dragoman.app`, which names every resource.
- One resource imports another only as `dragoman.X`, `dragoman.X.service`, or as the services that
  lead from a connection to its database: `dragoman.X.dialling` and `dragoman.X.sessions`.
"""

from __future__ import annotations

from importlinter import Contract, ContractCheck, fields, output

PACKAGE = "dragoman"
ENTRY = f"{PACKAGE}.app"
SERVICES = (["service"], ["dialling"], ["sessions"], ["events"])


class ResourcesContract(Contract):
    """`resources` lists folder names; a folder that does not exist yet is no error."""

    type_name = "resources"
    resources = fields.ListField(subfield=fields.StringField())

    def check(self, graph, verbose):
        """Looks at each direct import of a resource's inner modules from outside it."""
        names = set(self.resources)
        broken = sorted(
            (importer, imported)
            for imported in graph.modules
            if room(imported) in names
            for importer in graph.find_modules_that_directly_import(imported)
            if room(importer) != room(imported) and not allowed(importer, imported, names)
        )
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check):
        """One line an import, with what to do instead."""
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} imports {imported}", bold=False)
        output.print("Import the resource's service.py; tables are its own.")


def room(module: str) -> str:
    """`dragoman.connections.tables` -> `connections`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == PACKAGE else ""


def allowed(importer: str, imported: str, resources: set[str]) -> bool:
    """Whether a module outside a resource may import `imported`, which lies inside one."""
    inner = imported.split(".")[2:3]
    if inner == ["tables"]:
        return importer == ENTRY
    return room(importer) not in resources or not inner or inner in SERVICES
