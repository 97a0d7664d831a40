"""Which fields a topic shows: its list of selectors, of which the last that fits decides."""

from __future__ import annotations

from dragoman.semantics.model.fields import Field
from dragoman.semantics.model.topics import Selector, Topic
from dragoman.semantics.model.views import View


def selects(topic: Topic, view: View, found: Field) -> bool:
    """Whether the topic shows the field. Without selectors it shows all."""
    if not topic.fields:
        return True
    shown = all(selector.remove for selector in topic.fields)
    for selector in topic.fields:
        if _fits(selector, view, found):
            shown = not selector.remove
    return shown


def _fits(selector: Selector, view: View, found: Field) -> bool:
    if selector.tag is not None:
        return selector.tag in found.tags or selector.tag in view.tags
    if selector.view not in (None, view.name):
        return False
    return selector.name in (None, found.name)
