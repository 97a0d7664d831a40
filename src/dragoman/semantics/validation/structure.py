"""The first pass: each written file against the schema of its kind."""

from __future__ import annotations

from dragoman.semantics.composing.sources import Said
from dragoman.semantics.composition import COMPOSITE, ComposedModel
from dragoman.semantics.files.paths import FileKind, parse_path
from dragoman.semantics.layers import Definition, Layer
from dragoman.semantics.plain import mapping
from dragoman.semantics.problems import YamlPath
from dragoman.semantics.schema.check import Finding
from dragoman.semantics.schema.check import check as check_data
from dragoman.semantics.validation.report import MODEL, RELATIONSHIPS, Place, Report

_SECTIONS = ("dimensions", "measures", "filters")
_SOURCES = ("sql", "query", "uploaded_table_name", "table_name")


def check(model: ComposedModel, report: Report) -> None:
    """Unknown keys, wrong values, names given twice, in every file that people wrote."""
    for layer in model.layers:
        _whole_files(layer, report)
        for source in layer.views():
            said = Said(layer, source)
            if not report.is_written(said):
                break
            place = Place((said,), view=source.name)
            kind = parse_path(source.path).kind
            _report(check_data(kind, source.definition), place, report)
            _within(source.definition, place, report)
        for topic in layer.topics():
            said = Said(layer, topic)
            if not report.is_written(said):
                break
            composite = topic.path.endswith(COMPOSITE)
            kind = FileKind.COMPOSITE_TOPIC if composite else FileKind.TOPIC
            place = Place((said,), topic=topic.name)
            _report(check_data(kind, topic.definition), place, report)


def _whole_files(layer: Layer, report: Report) -> None:
    if layer.text(MODEL) is not None:
        _report(check_data(FileKind.MODEL, layer.settings()), Place((), file=MODEL), report)
    if layer.text(RELATIONSHIPS) is not None:
        place = Place((), file=RELATIONSHIPS)
        _report(check_data(FileKind.RELATIONSHIPS, list(layer.relationships())), place, report)


def _report(found: list[Finding], place: Place, report: Report) -> None:
    for one in found:
        report.add(
            place,
            one.path,
            one.code,
            one.message,
            one.fix,
            field=_field(one.path),
            rename=one.rename,
        )


def _field(path: YamlPath) -> str | None:
    return str(path[1]) if len(path) > 1 and path[0] in _SECTIONS else None


def _within(definition: Definition, place: Place, report: Report) -> None:
    """What the keys of one file say together."""
    said = [key for key in _SOURCES if definition.get(key) is not None]
    if len(said) > 1:
        message = f"A view has rows from one of {' and '.join(f'`{key}`' for key in said)}"
        report.add(place, (said[0],), "several_sources", message, "Keep one.")
    seen: dict[str, str] = {}
    for section in _SECTIONS:
        for name in mapping(definition.get(section)):
            first = seen.setdefault(name, section)
            if first != section:
                message = f'Duplicate field name "{name}"'
                fix = f"{first} has it too: rename one."
                report.add(place, (section, name), "duplicate_field", message, fix, field=name)
