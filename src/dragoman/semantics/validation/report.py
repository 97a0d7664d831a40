"""Findings to problems with their place: the highest layer that says it, its file, line, column."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.semantics.composing.sources import Said
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files.reading import marks
from dragoman.semantics.layers import Layer
from dragoman.semantics.plain import is_list, is_map
from dragoman.semantics.problems import AutoFix, Edit, Mark, Problem, Severity, YamlPath

MODEL, RELATIONSHIPS = "model", "relationships"
# What the typed model cannot be built of, and what the schema says of the same.
_BROKEN = "bad_definition"
_SHAPE = frozenset(("unknown_key", "unknown_value", "wrong_type", "missing_key", "wrong_length"))


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Something in the model: its sources, and what it is called."""

    sources: Sequence[Said]
    view: str | None = None
    topic: str | None = None
    file: str | None = None


class Report:
    """Collects problems, each once."""

    def __init__(self, model: ComposedModel) -> None:
        self._model = model
        self._found: dict[tuple[Any, ...], Problem] = {}
        self._marks: dict[tuple[int, str], Mapping[YamlPath, Mark]] = {}
        self._written: dict[int, bool] = {}

    def problems(self) -> list[Problem]:
        """All of them: by file, then by place."""
        return sorted(
            self._once(),
            key=lambda p: (p.file or "", p.line or 0, p.column or 0, p.message),
        )

    def _once(self) -> list[Problem]:
        """Without what the language's schema and the typed model say of one mistake: the schema's
        word stands where it names the place better or knows the fix, else the model's."""
        shapes: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        for key, problem in self._found.items():
            if problem.code in _SHAPE:
                for length in range(len(problem.yaml_path) + 1):
                    shapes.setdefault((key[0], problem.yaml_path[:length]), []).append(key)
        twice: set[tuple[Any, ...]] = set()
        for key, problem in self._found.items():
            if problem.code == _BROKEN:
                said = shapes.get((key[0], problem.yaml_path), [])
                twice |= {key} if any(self._is_better(one, key) for one in said) else {*said}
        return [problem for key, problem in self._found.items() if key not in twice]

    def _is_better(self, shape: tuple[Any, ...], broken: tuple[Any, ...]) -> bool:
        found = self._found[shape]
        return bool(found.auto_fix or found.code == "missing_key" or len(shape[1]) > len(broken[1]))

    def is_written(self, said: Said) -> bool:
        """Whether people wrote it; the first file of a layer tells for all of them."""
        layer = said.layer
        known = self._written.get(id(layer))
        if known is None:
            known = self._written[id(layer)] = layer.text(said.source.path) is not None
        return known

    def written(self, sources: Sequence[Said]) -> bool:
        """Whether any of the sources was written by people."""
        return any(self.is_written(said) for said in sources)

    def add(
        self,
        place: Place,
        path: YamlPath,
        code: str,
        message: str,
        fix: str = "",
        *,
        field: str | None = None,
        rename: str | None = None,
    ) -> None:
        """An error. `path`: inside the composed definition. `rename`: the key that was meant."""
        self._put(place, path, (code, message, fix), Severity.ERROR, field, rename)

    def warn(
        self,
        place: Place,
        path: YamlPath,
        code: str,
        message: str,
        fix: str = "",
        *,
        field: str | None = None,
    ) -> None:
        """A warning."""
        self._put(place, path, (code, message, fix), Severity.WARNING, field, None)

    def _put(
        self,
        place: Place,
        path: YamlPath,
        said: tuple[str, str, str],
        severity: Severity,
        field: str | None,
        rename: str | None,
    ) -> None:
        code, message, fix = said
        file, mark = self._locate(place, path)
        problem = Problem(
            code,
            message,
            severity=severity,
            fix=fix,
            file=file,
            line=mark.line if mark else None,
            column=mark.column if mark else None,
            yaml_path=path,
            view=place.view,
            field=field,
            topic=place.topic,
            auto_fix=_auto_fix(file, path, rename),
        )
        # The language's schema and the typed model may both see it.
        self._found.setdefault((file, path, message), problem)

    def _locate(self, place: Place, path: YamlPath) -> tuple[str | None, Mark | None]:
        if place.file is not None:
            for layer in reversed(self._model.layers):
                if layer.text(place.file) is not None:
                    return place.file, self._mark(layer, place.file, path)
            return place.file, None
        written = [said for said in reversed(place.sources) if self.is_written(said)]
        if not written:
            return (place.sources[-1].source.path if place.sources else None), None
        best = max(written, key=lambda said: _depth(said.source.definition, path))
        return best.source.path, self._mark(best.layer, best.source.path, path)

    def _mark(self, layer: Layer, file: str, path: YamlPath) -> Mark | None:
        key = (id(layer), file)
        if key not in self._marks:
            text = layer.text(file)
            self._marks[key] = marks(text) if text is not None else {}
        known = self._marks[key]
        for length in range(len(path), 0, -1):
            found = known.get(path[:length])
            if found is not None:
                return found
        return Mark(1, 1) if layer.text(file) is not None else None


def _depth(definition: Any, path: YamlPath) -> int:
    """How much of a path a definition has."""
    depth = 0
    for step in path:
        if is_map(definition) and step in definition:
            definition = definition[str(step)]
        elif is_list(definition) and isinstance(step, int) and step < len(definition):
            definition = definition[step]
        else:
            return depth
        depth += 1
    return depth


def _auto_fix(file: str | None, path: YamlPath, rename: str | None) -> AutoFix | None:
    if rename is None or file is None or not path:
        return None
    short = f"Rename to {rename}"
    return AutoFix(short, f"{short} in {file}", file, (Edit(path, rename=rename),))
