"""A name of a model, wherever its files refer to it: found, and replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dragoman.models import files
from dragoman.models.files import StoredFile
from dragoman.semantics.files import edit, read, write
from dragoman.semantics.layers import Definition
from dragoman.semantics.model.references import FieldRef
from dragoman.semantics.problems import Edit
from dragoman.semantics.referring import Mention, NamedFile, References


class Named(StrEnum):
    """What a name is of."""

    FIELD = "FIELD"
    VIEW = "VIEW"
    TOPIC = "TOPIC"


@dataclass(frozen=True, slots=True)
class Name:
    """A name; `view.field` for a field."""

    kind: Named
    text: str

    @property
    def view(self) -> str:
        """The view of a field."""
        return self.text.partition(".")[0]

    @property
    def field(self) -> str:
        """The field without its view."""
        return self.text.partition(".")[2]


# Stands for what the layers below say of a field's view; no file that is kept is called so.
BELOW = ".below/inherited.view"


def references(
    stored: Iterable[StoredFile],
    texts: Mapping[str, str],
    name: Name,
    inherited: Definition | None = None,
) -> References:
    """The references between files, `texts` in place of what is stored. Files that cannot say the
    name, nor who inherits from whom, are not read: most of a large model.

    `inherited`: what the layers below say of a field's view, whose fields `${…}` may mean.
    """
    named: list[NamedFile] = []
    if inherited:
        named.append(NamedFile(read(BELOW, write(inherited)), name.view))
    for file in stored:
        text = texts.get(file.path, file.text or "")
        joins = file.kind == files.RELATIONSHIPS or "extends" in text
        if joins or name.field in text if name.field else name.text in text:
            named.append(NamedFile(read(file.path, text), file.name or file.path))
    return References(named)


def uses(found: References, name: Name) -> list[Mention]:
    """Where a name is used; where a field is defined is no use of it."""
    if name.kind is Named.VIEW:
        return found.of_view(name.text)
    if name.kind is Named.TOPIC:
        return found.of_topic(name.text)
    fields = found.of_field(name.view, name.field)
    return [each for each in fields if not each.definition and each.file != BELOW]


def replaced(found: References, texts: Mapping[str, str], name: Name, new: Name) -> dict[str, str]:
    """The files that change when everything that uses a name uses another one: path to text."""
    if name.kind is Named.VIEW:
        return found.replace_view(name.text, new.text)
    if name.kind is Named.FIELD:
        return found.replace_field(name.view, name.field, FieldRef(new.view, new.field))
    edits: dict[str, list[Edit]] = {}
    for each in found.of_topic(name.text):
        change = Edit(each.path, rename=new.text) if each.key else Edit(each.path, new.text)
        edits.setdefault(each.file, []).append(change)
    return {path: edit(texts[path], changes) for path, changes in edits.items()}


def place(mention: Mention) -> str:
    """Where in its file a name is used."""
    path: tuple[Any, ...] = mention.path
    return ",".join(map(str, path))
