"""Topics: their views, joins, fields and rules."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.semantics.composing.joins import JoinMap
from dragoman.semantics.composing.sources import extends_of
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import Dimension, Measure
from dragoman.semantics.model.references import SqlText, field_ref
from dragoman.semantics.model.relationships import JoinType
from dragoman.semantics.model.topics import CompositeTopic, JoinNode, Topic
from dragoman.semantics.model.views import View
from dragoman.semantics.plain import mapping
from dragoman.semantics.problems import YamlPath
from dragoman.semantics.validation import fields, filters, grants, relationships, settings
from dragoman.semantics.validation.context import Context
from dragoman.semantics.validation.report import Place
from dragoman.semantics.validation.views import report_broken

_SOURCES = ("extends", "query", "sql", "table_name")
_RULES = ("always_where_filters", "always_having_filters", "default_filters")


def check(context: Context) -> None:
    """Every topic that people wrote."""
    for name in context.model.topic_names():
        merged = context.model.merged_topic(name)
        if merged is None or not context.report.written(merged.sources):
            continue
        place = Place(merged.sources, topic=name)
        for at, parent in enumerate(extends_of(merged.definition)):
            if context.model.merged_topic(parent) is None:
                context.report.add(place, ("extends", at), *context.lookup.no_topic(parent))
            elif parent == name:
                message = f"{name} extends itself"
                context.report.add(
                    place, ("extends", at), "extends_cycle", message, "Take it away."
                )
        try:
            topic = context.model.topic(name)
        except BadDefinition as bad:
            context.report.add(place, bad.path, "bad_definition", bad.message, bad.fix)
            continue
        if isinstance(topic, CompositeTopic):
            _composite(topic, context, place)
        elif topic is not None and not topic.template:
            _Check(topic, context, place).run()


def _composite(topic: CompositeTopic, context: Context, place: Place) -> None:
    for at, member in enumerate(topic.topics):
        if context.model.merged_topic(member) is None:
            context.report.add(place, ("topics", at), *context.lookup.no_topic(member))
    for name, members in topic.shared_dimensions.items():
        for member in members:
            if member not in topic.topics:
                message = f"{member} is not one of the topics"
                path = ("shared_dimensions", name, "mappings", member)
                context.report.add(place, path, "unknown_topic", message, "Add it to `topics`.")


class _Check:
    """The check of one topic."""

    def __init__(self, topic: Topic, context: Context, place: Place) -> None:
        self.topic = topic
        self.context = context
        self.model = context.model
        self.lookup = context.lookup
        self.place = place
        self.joins = JoinMap(topic.base_view, {topic.base_view: ()})

    def run(self) -> None:
        """Check it. Names mean here what they mean inside the topic."""
        self.lookup.scope = {}
        self.lookup.scope = dict(self._own_views())
        try:
            if self.lookup.view(self.topic.base_view) is None:
                code, message, fix = self.lookup.no_view(self.topic.base_view)
                if self.topic.base_view == self.topic.name:  # as where `base_view` is not said
                    fix = "Say which view the topic begins with: `base_view: …`."
                self._add(("base_view",), code, message, fix)
                return
            self._check()
        finally:
            self.lookup.scope = None

    def _add(
        self,
        path: YamlPath,
        code: str,
        message: str,
        fix: str = "",
        *,
        warn: bool = False,
        field: str | None = None,
    ) -> None:
        add = self.context.report.warn if warn else self.context.report.add
        add(self.place, path, code, message, fix, field=field)

    def _own_views(self) -> Iterator[tuple[str, View]]:
        """Views as the topic changes them, and those that only it has."""
        aliases = [name for one in self.topic.relationships for name in (one.left, one.right)]
        for name in dict.fromkeys((*self.topic.views, *aliases)):
            override = self.topic.views.get(name, {})
            found = self.model.topic_view_definition(self.topic, name)
            known = self.model.alias_target(name, self.topic) or self.model.view(name)
            if found is None or not (known or any(key in override for key in _SOURCES)):
                if name in self.topic.views:
                    self._add(("views", name), *self.lookup.no_view(name))
                continue
            view, broken = self.model.build(name, found)
            inside: dict[YamlPath, BadDefinition] = {
                ("views", name, *path): bad for path, bad in broken.items()
            }
            report_broken(inside, self.context, self.place)
            yield name, view

    def _check(self) -> None:
        topic = self.topic
        for at, one in enumerate(topic.relationships):
            relationships.check_one(one, self.context, self.place, ("relationships", at))
        self.joins = self.model.join_map(topic)
        if topic.joins is not None:
            self._tree(("joins",), topic.base_view, topic.joins)
            self._unlisted()
        self._mixed_joins()
        self._selectors()
        self._rules()
        key = "required_access_grants"
        grants.check(topic.required_access_grants, self.context, self.place, (key,))
        settings.policy(self.context, topic.cache_policy, self.place, "cache_policy")
        self._overrides()
        self._cross_view_fields()

    def _tree(self, path: YamlPath, above: str, nodes: tuple[JoinNode, ...]) -> None:
        for node in nodes:
            at = (*path, node.view)
            if self.lookup.view(node.view) is None:
                self._add(at, *self.lookup.no_view(node.view))
            elif self.joins.missing.get(node.view) == above:
                fix = f"Add a relationship between {above} and {node.view}."
                message = f"No join path from {above} to {node.view}"
                self._add(at, "no_join_path", message, fix)
            self._tree(at, node.view, node.children)

    def _unlisted(self) -> None:
        for at, one in enumerate(self.topic.relationships):
            for side in (one.left, one.right):
                if side not in self.joins.via:
                    message = f"{side} is not in `joins`, so its fields are not on offer"
                    fix = f"Add {side} to `joins`."
                    self._add(("relationships", at), "not_joined", message, fix, warn=True)

    def _mixed_joins(self) -> None:
        """RIGHT or FULL beside INNER: an answer's rows depend on the views that it uses."""
        edges = [edge for way in self.joins.via.values() for edge in way]
        kept = next((edge.target for edge in edges if edge.keeps_target), None)
        inner = next((e.target for e in edges if e.join_type is JoinType.INNER), None)
        if kept is None or inner is None:
            return
        message = (
            f"All rows of {kept} stay, and {inner} is an inner join: which rows an answer has "
            "depends on the views that it uses, and on their order in `joins`"
        )
        fix = (
            f"Join {inner} with always_left, and say what must be there in `always_where_filters`."
        )
        self._add(("joins",), "mixed_joins", message, fix, warn=True)

    def _selectors(self) -> None:
        for at, one in enumerate(self.topic.fields):
            if one.view is None:
                continue
            view = self.lookup.view(one.view)
            path = ("fields", at)
            if view is None:
                self._add(path, *self.lookup.no_view(one.view))
            elif one.view not in self.joins.via:
                message = f"No join path from {self.topic.base_view} to {one.view}"
                self._add(path, "no_join_path", message, f"Add {one.view} to `joins`.")
            elif one.name is not None and view.field(one.name) is None:
                ref = field_ref(f"{one.view}.{one.name}")
                wrong = self.lookup.wrong(ref, one.view) if ref else None
                if wrong is not None:
                    self._add(path, *wrong)

    def _rules(self) -> None:
        topic = self.topic
        for at, rule in enumerate(topic.access_filters):
            inherited = rule in self.model.settings.default_topic_access_filters
            path = () if inherited else ("access_filters", at, "field")
            ref = rule.field.within(topic.base_view)
            wrong = self.lookup.wrong(ref, topic.base_view)
            if wrong is not None:
                self._add(path, *wrong)
            elif ref.view is not None and ref.view not in self.joins.via:
                message = f"No join path from {topic.base_view} to {ref.view}"
                fix = (
                    "The model's default access filter cannot hold here: say `access_filters: []` "
                    "or name others."
                    if inherited
                    else f"Add {ref.view} to `joins`."
                )
                self._add(path, "no_join_path", message, fix)
        for key in _RULES:
            said = getattr(topic, key)
            filters.check(said, topic.base_view, self.context, self.place, (key,))
            for one in said:
                self._reachable(one.field.view, (key, str(one.field)))
        for key in ("always_where_sql", "always_having_sql"):
            sql: SqlText | None = getattr(topic, key)
            base = self.lookup.view(topic.base_view)
            if sql is not None and base is not None:
                fields.check_sql(base, sql, self.context, self.place, (key,))
                for reference in sql.references:
                    self._reachable(reference.field.view if reference.field else None, (key,))

    def _reachable(self, view: str | None, path: YamlPath) -> None:
        if view is not None and view not in self.joins.via and self.lookup.view(view) is not None:
            message = f"No join path from {self.topic.base_view} to {view}"
            self._add(path, "no_join_path", message, f"Add {view} to `joins`.")

    def _overrides(self) -> None:
        """Fields that the topic adds or changes."""
        for name, override in self.topic.views.items():
            view = (self.lookup.scope or {}).get(name)
            for field in view.fields() if view is not None else ():
                section = fields.section_of(field)
                if view is None or field.name not in mapping(override.get(section)):
                    continue
                for key, sql in fields.sql_texts(field):
                    path = ("views", name, section, field.name, *key)
                    fields.check_sql(view, sql, self.context, self.place, path, field=field)

    def _cross_view_fields(self) -> None:
        """Fields that need a view which the topic does not join: they cannot be asked here."""
        for name in self.joins.via:
            view = self.lookup.view(name)
            for field in view.fields() if view else ():
                if not isinstance(field, (Dimension, Measure)):
                    continue
                needed = {
                    reference.field.view
                    for _, sql in fields.sql_texts(field)
                    for reference in sql.references
                    if reference.field is not None and reference.field.view is not None
                }
                for other in sorted(needed - set(self.joins.via) - {name}):
                    message = (
                        f"{field.address} cannot be asked in {self.topic.name}: it needs {other}"
                    )
                    fix = f"Add {other} to `joins`, or take the field out of `fields`."
                    self._add(
                        (), "field_broken_in_topic", message, fix, warn=True, field=field.name
                    )
