"""A model's layers put together: the schema layer of its connection, then its own files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dragoman.models.extending import makeup
from dragoman.models.layers import StoredLayer
from dragoman.models.records import Model
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.layers import Layer, TopicSource, ViewSource
from dragoman.store import UnitOfWork


def schema_layer(unit: UnitOfWork, connection_id: str, schemas: tuple[str, ...] = ()) -> Layer:
    """What the database itself says; `schemas`: also these, were they offloaded."""
    # Late, since a refresh in that room notes what it breaks in models.
    from dragoman.catalog.service import SchemaLayer

    return SchemaLayer(unit, connection_id, schemas)


def layers(
    unit: UnitOfWork,
    model: Model,
    schemas: tuple[str, ...] = (),
    made: Sequence[Model] | None = None,
) -> list[Layer]:
    """The layers of a model, lowest first. A branch stands for its base model and itself. `made`:
    its makeup, where that is known."""
    *below, own = makeup(unit, model) if made is None else made
    if model.is_branch:
        below.pop()
    stored = [StoredLayer(unit, each) for each in (*below, own)]
    return [schema_layer(unit, model.connection_id, schemas), *stored]


def composed(unit: UnitOfWork, model: Model, schemas: tuple[str, ...] = ()) -> ComposedModel:
    """The model as it is used."""
    return ComposedModel(layers(unit, model, schemas))


def is_right_below(unit: UnitOfWork, model: Model, view: str) -> bool:
    """Whether the layer that a model stands on says anything of a view. A branch stands on its
    base's files as one layer with them: what it deletes of them is deleted."""
    return not model.is_branch and layers(unit, model)[-2].view(view) is not None


def parents(unit: UnitOfWork, model: Model) -> ComposedModel:
    """What a model's own files stand on."""
    return ComposedModel(layers(unit, model)[:-1])


def view_sources(model: ComposedModel, name: str) -> Iterator[ViewSource]:
    """What each layer says of a view, the highest first, ignored or not."""
    found = model.merged(name)
    if found is not None:
        for _, source in reversed(found.sources):
            if isinstance(source, ViewSource):
                yield source
        return
    for layer in reversed(model.layers):
        found = layer.view(name)
        if found is not None:
            yield found


def topic_sources(model: ComposedModel, name: str) -> Iterator[TopicSource]:
    """What each layer says of a topic, the highest first, ignored or not."""
    for layer in reversed(model.layers):
        found = layer.topic(name)
        if found is not None:
            yield found
