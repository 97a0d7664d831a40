"""The files of a model as clients read them, in each mode (contract §3.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from dragoman.api.errors import BadRequest
from dragoman.models import files
from dragoman.models.branches import changed
from dragoman.models.composing import composed, topic_sources, view_sources
from dragoman.models.difference import additions
from dragoman.models.records import Model
from dragoman.models.resolving import Target, resolve
from dragoman.semantics.composing.sources import Merged
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files import FileKind, FilePath, edit, parse_path, write
from dragoman.semantics.files.naming import with_reference
from dragoman.semantics.layers import Definition, Layer, TopicSource, ViewSource
from dragoman.store import UnitOfWork


class Mode(StrEnum):
    """How files are read and written.

    `COMBINED`: over everything below. `EXTENSION`: what this layer says; on a branch that of its
    base model, as the branch has it. `STAGED`: what a branch changes. `MERGED`: over the layer
    right below. `HISTORY`: as extension, with the versions.
    """

    COMBINED = "combined"
    EXTENSION = "extension"
    STAGED = "staged"
    MERGED = "merged"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Shown:
    """A file as it is shown. `name`: of a view, the one that other files use."""

    path: str
    text: str
    name: str | None = None

    @property
    def checksum(self) -> str:
        """What a client sends back to say what it saw."""
        return files.checksum_of(self.text)


class Reader:
    """Reads the files of one model in one mode."""

    def __init__(
        self,
        unit: UnitOfWork,
        model: Model,
        mode: Mode = Mode.COMBINED,
        *,
        fully_resolved: bool = False,
        schema: str | None = None,
    ) -> None:
        if fully_resolved and mode is not Mode.COMBINED:
            raise BadRequest("Bad Request: fullyResolved is only valid with mode=combined")
        self._unit = unit
        self._model = model
        self._mode = mode
        self._resolved = fully_resolved
        self._schema = schema
        everything = composed(unit, model, (schema,) if schema else ())
        own = mode in (Mode.EXTENSION, Mode.HISTORY)
        near = own or (mode is Mode.MERGED and model.is_branch)
        step = everything.layers[-1:] if near else everything.layers[-2:]
        narrow = near or mode is Mode.MERGED
        self.whole = everything
        self._composed = ComposedModel(step) if narrow else everything
        self._alone = near

    def one(self, path: FilePath) -> Shown | None:
        """The file that a name means. Raises `BadRequest` where several could be meant."""
        target = resolve(self.whole, path)
        if self._mode is Mode.STAGED:
            return next((each for each in self._staged() if each.path == target.path.key), None)
        return self._shown(target)

    def all(self, matches: Callable[[Iterable[str]], set[str]] | None = None) -> Iterator[Shown]:
        """Every file, by kind and then name; `matches` picks from their paths."""
        found = self._staged() if self._mode is Mode.STAGED else self._everything()
        if matches is None:
            yield from found
            return
        kept = list(found)
        wanted = matches([each.path for each in kept])
        yield from (each for each in kept if each.path in wanted)

    def _everything(self) -> Iterator[Shown]:
        for key in (files.MODEL, files.RELATIONSHIPS):
            shown = self._shown(Target(key, "", parse_path(key), known=True))
            if shown is not None:
                yield shown
        for name in sorted(self._composed.topic_names()):
            shown = self._topic(name)
            if shown is not None:
                yield shown
        self._composed.preload()
        for name in sorted(self._composed.view_names()):
            shown = self._view(name)
            if shown is not None and self._in_schema(name):
                yield shown

    def _in_schema(self, name: str) -> bool:
        if self._schema is None:
            return True
        definition = self._composed.view_definition(name) or {}
        schema = definition.get("schema")
        scoped = f"{definition['catalog']}.{schema}" if "catalog" in definition else schema
        return schema is None or self._schema in (schema, scoped)

    def _staged(self) -> Iterator[Shown]:
        if not self._model.is_branch:
            return
        for path, file in sorted(changed(self._unit, self._model).items()):
            yield Shown(path, file.text or "", file.name if file.kind == files.VIEW else None)

    def _shown(self, target: Target) -> Shown | None:
        if target.kind == files.VIEW:
            return self._view(target.name)
        if target.kind == files.TOPIC:
            return self._topic(target.name)
        return self._settings() if target.kind == files.MODEL else self._relationships()

    def _view(self, name: str) -> Shown | None:
        found = self._composed.merged(name)
        if found is None:
            return self._ignored_view(name)
        text = self._text(found)
        return Shown(self._key(found.path, name), with_reference(text, name), name)

    def _ignored_view(self, name: str) -> Shown | None:
        """What a layer itself says of a view is shown even where it says that there is none."""
        if self._mode is Mode.COMBINED:
            return None
        source = next(view_sources(self._composed, name), None)
        text = self._written(source) if source else None
        return None if source is None or text is None else Shown(source.path, text, name)

    def _topic(self, name: str) -> Shown | None:
        found = self._composed.merged_topic(name)
        if found is None:
            if self._mode is Mode.COMBINED:
                return None
            source = next(topic_sources(self._composed, name), None)
            text = self._written(source) if source else None
            return None if source is None or text is None else Shown(source.path, text)
        return Shown(found.path, self._text(found))

    def _text(self, found: Merged) -> str:
        """The text of the highest layer that has one, with what the others say beside it."""
        kind = parse_path(found.path).kind
        if self._resolved:
            model = self._composed
            read = model.topic_definition if kind.is_topic else model.view_definition
            return write(read(found.name, fully_resolved=True) or {}, kind)
        for layer, source in reversed(found.sources):
            text = layer.text(source.path)
            if text is not None:
                return self._completed(source.path, text, source.definition, found.definition)
        return write(found.definition, kind)

    def _written(self, source: ViewSource | TopicSource) -> str | None:
        found = self._highest(source.path)
        return found[1] if found else None

    def _completed(self, path: str, text: str, own: Definition, whole: Definition) -> str:
        """A layer's text with what the others say beside it."""
        return text if self._alone else edit(text, additions(own, whole))

    def _settings(self) -> Shown | None:
        definition = self._composed.settings_definition
        found = self._highest(files.MODEL)
        if found is None:
            return None
        layer, text = found
        whole = self._completed(files.MODEL, text, layer.settings(), definition)
        return Shown(files.MODEL, whole)

    def _relationships(self) -> Shown | None:
        whole = self._composed.relationship_definitions()
        found = self._highest(files.RELATIONSHIPS)
        if found is not None and (self._alone or list(found[0].relationships()) == whole):
            return Shown(files.RELATIONSHIPS, found[1])
        if found is None and not whole:
            return None
        return Shown(files.RELATIONSHIPS, write(whole, FileKind.RELATIONSHIPS))

    def _highest(self, path: str) -> tuple[Layer, str] | None:
        """The highest layer that has a text for this file, and the text."""
        for layer in reversed(self._composed.layers):
            text = layer.text(path)
            if text is not None:
                return layer, text
        return None

    def _key(self, path: str, name: str) -> str:
        """Merged files are called after the view, all others as they are kept."""
        if self._mode is not Mode.MERGED:
            return path
        return f"{name}.query.view" if path.endswith(".query.view") else f"{name}.view"
