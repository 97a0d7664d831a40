"""Relationships of a table: from its declared foreign keys, and from the names of its columns.

Declared ones are `many_to_one` (`one_to_one` where the key's columns are unique), those from names
`assumed_many_to_one`. Where two tables fit a name equally well, none is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from dragoman.semantics.inference.ends import (
    Foreign,
    Reference,
    Source,
    Target,
    key_word,
    stem_word,
    table_word,
    view_word,
)
from dragoman.semantics.inference.labels import title
from dragoman.semantics.inference.names import MAX_LENGTH, SCOPE, shortened
from dragoman.semantics.inference.stems import key_stem
from dragoman.semantics.inference.types import comparable

PARENT: Final = "parent"
_LAYERS: Final = {
    **dict.fromkeys(("", "dim_", "fct_", "fact_", "d_", "f_", "_dim", "_fact", "_fct"), "mart"),
    **dict.fromkeys(("stg_", "stage_", "staging_"), "stage"),
    **dict.fromkeys(("raw_", "src_", "base_"), "raw"),
}
_WHOLE, _SHORT, _ABBREVIATED = range(3)


class Directory(Protocol):
    """All tables, found by their words (`ends.Target.words`)."""

    def targets(self, word: str) -> Sequence[Target]:
        """The tables that have this word, in any order."""
        ...


@dataclass(frozen=True, slots=True)
class Link:
    """A relationship before it has an alias. `role`: what the columns call the other side."""

    target: Target
    pairs: tuple[tuple[str, str], ...]  # own field, the other's field
    kind: str
    role: str


def relationships(source: Source, directory: Directory) -> list[dict[str, Any]]:
    """The relationships that lead from a table, as the language writes them."""
    links = [*_declared(source, directory), *_named(source, directory)]
    unique = {(link.target.view, link.pairs): link for link in reversed(links)}
    ordered = [link for link in links if unique[link.target.view, link.pairs] is link]
    taken: set[str] = set()
    return [_definition(source, link, ordered, directory, taken) for link in ordered]


def suggestions(source: Source, directory: Directory) -> list[dict[str, Any]]:
    """What a table's columns may refer to in a role, for a person to decide: `billing_user_id` may
    be the `billing_users` among the `users`. Of the columns that lead nowhere; each with an alias.
    """
    links = [*_declared(source, directory), *_named(source, directory)]
    taken = {field for link in links for field, _ in link.pairs}
    found = [
        link
        for reference in source.references
        if reference.field not in taken and (link := _in_a_role(source, reference, directory))
    ]
    used: set[str] = set(aliases(relationships(source, directory)))
    return [_written(source, link, _role_alias(link, directory, used)) for link in found]


def _in_a_role(source: Source, reference: Reference, directory: Directory) -> Link | None:
    """The table that the end of the column's name means: the longest end that one table fits."""
    words = reference.stem.split("_")
    for at in range(1, len(words)):
        ending = replace(reference, stem="_".join(words[at:]), name="_".join([*words[at:], "id"]))
        target = _best(source.target, ending, directory)
        if target is None and ending.stem in source.target.stem.words:
            target = source.target
        key = None if target is None else target.key(ending.name)
        if target is not None and key is not None and comparable(key.type, reference.type):
            pairs = ((reference.field, key.field),)
            return Link(target, pairs, "assumed_many_to_one", reference.stem)
    return None


def aliases(definitions: Iterable[dict[str, Any]]) -> list[str]:
    """The words of the aliases: a view that comes to be called so takes the name."""
    return [view_word(each["join_to_view_as"]) for each in definitions if "join_to_view_as" in each]


def _declared(source: Source, directory: Directory) -> Iterable[Link]:
    for key in source.foreign:
        for target in directory.targets(table_word(key.target)):
            fields = (target.field(column) for column in key.columns)
            pairs = tuple(zip(key.fields, fields, strict=False))
            kind = "one_to_one" if key.unique else "many_to_one"
            yield Link(target, pairs, kind, _role(source.foreign, key))


def _role(keys: Sequence[Foreign], key: Foreign) -> str:
    """What the key calls its table: by the column that no other key has, or by its own name."""
    others = {name for other in keys if other is not key for name in other.fields}
    own = [name for name in key.fields if name not in others]
    if own:
        return _bare(own[-1])
    return _bare(key.fields[-1]) if len(key.fields) == 1 else key.name.lower()


def _bare(field: str) -> str:
    return key_stem(field) or field


def _named(source: Source, directory: Directory) -> Iterable[Link]:
    for reference in source.references:
        target = _best(source.target, reference, directory)
        if target is None and reference.stem == PARENT:
            target = source.target
        key = None if target is None else target.key(reference.name)
        if target is None or key is None or not comparable(key.type, reference.type):
            continue
        if target.view == source.target.view and key.field == reference.field:
            continue
        pairs = ((reference.field, key.field),)
        yield Link(target, pairs, "assumed_many_to_one", reference.stem)


def _best(own: Target, reference: Reference, directory: Directory) -> Target | None:
    """The table that fits best; None where none does, or two do equally well."""
    words = (stem_word(reference.stem), key_word(reference.name))
    found = {target.view: target for word in words for target in directory.targets(word)}
    ranked = sorted(
        (rank, view)
        for view, target in found.items()
        if target.view != own.view and (rank := _rank(own, reference, target)) is not None
    )
    if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return found[ranked[0][1]]


def _rank(own: Target, reference: Reference, target: Target) -> tuple[int, ...] | None:
    """How far a table is from what a column says; lower is nearer, None is no fit at all."""
    key = target.key(reference.name)
    if key is None or not comparable(key.type, reference.type):
        return None
    stem = target.stem
    how = _ABBREVIATED
    if reference.stem in stem.words:
        how = _WHOLE if reference.stem == stem.whole else _SHORT
    far = (
        target.identity[0] != own.identity[0],
        target.identity[1] != own.identity[1],
        _layer(stem.affix) != _layer(own.stem.affix),
        how,
        key.name != reference.name,
        target.primary is None,
        not target.is_table,
    )
    return tuple(map(int, far))


def _layer(affix: str) -> str:
    return _LAYERS.get(affix, affix)


def _definition(
    source: Source, link: Link, links: Sequence[Link], directory: Directory, taken: set[str]
) -> dict[str, Any]:
    return _written(source, link, _alias(source.target, link, links, directory, taken))


def _written(source: Source, link: Link, alias: str) -> dict[str, Any]:
    own, other = source.target.view, link.target.view
    found: dict[str, Any] = {"join_from_view": own, "join_to_view": other}
    if alias:
        found["join_to_view_as"] = alias
        found["join_to_view_as_label"] = title(alias.rpartition(SCOPE)[2])
    parts = (f"${{{own}.{mine}}} = ${{{alias or other}.{theirs}}}" for mine, theirs in link.pairs)
    return found | {
        "join_type": "always_left",
        "relationship_type": link.kind,
        "on_sql": " AND ".join(parts),
    }


def _alias(
    own: Target, link: Link, links: Sequence[Link], directory: Directory, taken: set[str]
) -> str:
    """An alias where a table plays several roles, or refers to itself; empty elsewhere."""
    stem = link.target.stem
    same = [other for other in links if other.target.view == link.target.view]
    plain = [other for other in same if other.role in stem.words]
    if link.target.view != own.view and (len(same) == 1 or (plain and plain[0] is link)):
        return ""
    return _role_alias(link, directory, taken)


def _role_alias(link: Link, directory: Directory, taken: set[str]) -> str:
    """The role before the table's name; a number where that is the name of something else."""
    stem = link.target.stem
    role = next(
        (link.role.removesuffix(f"_{w}") for w in stem.words if link.role.endswith(f"_{w}")),
        link.role,
    )
    scope, gap, name = link.target.view.rpartition(SCOPE)
    wanted = shortened(f"{scope}{gap}{role}_{name}", f"{scope}{gap}{role}_{name}")
    alias, number = wanted, 1
    while alias in taken or directory.targets(view_word(alias)):
        number += 1
        alias = f"{wanted[: MAX_LENGTH - len(str(number)) - 1]}_{number}"
    taken.add(alias)
    return alias
