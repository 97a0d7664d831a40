"""`extends` of a model file: other models of the connection whose files this one stands on."""

from __future__ import annotations

from collections.abc import Iterable

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Forbidden, NotFound
from dragoman.models import files
from dragoman.models.records import ROWS, Kind, Model, lineage, model_of
from dragoman.models.tables import models as table
from dragoman.semantics.plain import mapping, texts
from dragoman.store import UnitOfWork

_KINDS = (Kind.SHARED.value, Kind.SHARED_EXTENSION.value)


def makeup(unit: UnitOfWork, model: Model) -> list[Model]:
    """Every model whose files make this one up, lowest first, itself last: the models it extends
    stand between those it is made on and itself, later ones over earlier ones. Names that lead
    nowhere, or back, give nothing here; the check of the model names them."""
    found: dict[str, Model] = {}
    ahead: set[str] = set()

    def add(one: Model) -> None:
        if one.id in ahead:
            return
        ahead.add(one.id)
        below = lineage(unit, one)[:-1]
        # A branch has its base's files under its own, as one layer.
        base = below.pop() if one.is_branch else None
        for each in (*below, *named(unit, one, extended_by(unit, one)).values()):
            add(each)
        for each in (base, one):
            if each is not None:
                found[each.id] = each

    add(model)
    return list(found.values())


def extended_by(unit: UnitOfWork, model: Model) -> tuple[str, ...]:
    """The names that the model file extends."""
    file = files.named(unit, model, files.MODEL, "")
    return tuple(texts(mapping(file.definition).get("extends"))) if file else ()


def named(unit: UnitOfWork, model: Model, names: Iterable[str]) -> dict[str, Model]:
    """The live models of the connection that have these names, or ids, in the names' order."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    mine = (
        (table.c.connection_id == model.connection_id)
        & table.c.deleted_at.is_(None)
        & table.c.kind.in_(_KINDS)
    )
    here = ROWS.where(mine, table.c.name.in_(wanted) | table.c.id.in_(wanted))
    models = [model_of(row) for row in unit.db.execute(here.order_by(table.c.created_at))]
    known = {each.id: each for each in models}
    # Of two with one name (a shared model, and an extension of another) the older one.
    by_name = {each.name: each for each in reversed(models)}
    found = {name: known.get(name) or by_name.get(name) for name in wanted}
    return {name: each for name, each in found.items() if each is not None}


def check(unit: UnitOfWork, principal: Principal, model: Model, names: Iterable[str]) -> None:
    """Raise `BadRequest` unless the principal may read each model that is newly named, and none of
    them is made of this one."""
    from dragoman.models import access  # late: it saves files

    new = [name for name in names if name not in extended_by(unit, model)]
    found = named(unit, model, new)
    own = {model.id, model.base_model_id if model.is_branch else None}
    for name in new:
        try:
            other = access.get(unit, principal, found[name].id, Permission.MODELS_READ)
        except (KeyError, NotFound, Forbidden):
            raise BadRequest(
                f"Bad Request: model: extends: the connection has no model {name[:80]!r}",
                extra={"fix": "Name a shared model of this connection that you may read."},
            ) from None
        if own & {each.id for each in makeup(unit, other)}:
            raise BadRequest(f"Bad Request: model: extends: {name[:80]!r} is made of this model")
