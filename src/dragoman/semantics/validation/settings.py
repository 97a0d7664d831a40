"""The model file as a whole."""

from __future__ import annotations

from dragoman.semantics.building import settings as builder
from dragoman.semantics.model.references import is_name
from dragoman.semantics.suggest import did_you_mean
from dragoman.semantics.validation import grants
from dragoman.semantics.validation.context import Context
from dragoman.semantics.validation.report import MODEL, Place

_PLACE = Place((), file=MODEL)


def check(context: Context) -> None:
    """Settings that cannot be understood, and names that lead nowhere."""
    made, broken = builder.settings(context.model.settings_definition)
    for path, bad in broken.items():
        context.report.add(_PLACE, (*path, *bad.path), "bad_setting", bad.message, bad.fix)
    key = "default_topic_required_access_grants"
    grants.check(made.default_topic_required_access_grants, context, _PLACE, (key,))
    policy(context, made.default_cache_policy, _PLACE, "default_cache_policy")
    for at, rule in enumerate(made.default_topic_access_filters):
        wrong = context.lookup.wrong(rule.field, rule.field.view or "")
        if wrong is not None:
            context.report.add(_PLACE, ("default_topic_access_filters", at, "field"), *wrong)
    for name in made.included_views:
        if is_name(name) and context.lookup.view(name) is None:
            _, message, fix = context.lookup.no_view(name)
            path = ("included_views",)
            context.report.warn(_PLACE, path, "unknown_view", message, fix)


def policy(context: Context, name: str | None, place: Place, key: str) -> None:
    """A cache policy that is not defined."""
    known = context.model.settings.cache_policies
    if name is None or name in known:
        return
    near = did_you_mean(name, known)
    fix = f"Did you mean {near}?" if near else "Define it under `cache_policies` in the model file."
    context.report.add(place, (key,), "unknown_policy", f"No cache policy {name}", fix)
