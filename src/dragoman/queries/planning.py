"""From a request to a statement for a database: who asks, of which model, by which rules."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from dragoman import audit
from dragoman.access.policy import Permission, Rights, allow
from dragoman.access.principal import OPERATOR, Principal
from dragoman.api.errors import BadRequest, Forbidden
from dragoman.catalog import service as catalog
from dragoman.connections import dialling
from dragoman.connections.dialling import Located
from dragoman.dialects import sql as dialect_sql
from dragoman.dialects.failures import DatabaseFailure, Stage
from dragoman.identity import service as identity
from dragoman.models import service as models
from dragoman.models.service import Model
from dragoman.queries.compilers import COMPILERS
from dragoman.queries.envelope import Ask
from dragoman.queries.zones import NO_CONVERSION, UTC
from dragoman.semantics.answers.assembling import Assembly
from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.compile import Compiler
from dragoman.semantics.compiler.errors import ErrorType, PlanError
from dragoman.semantics.compiler.plan import Column, Plan
from dragoman.semantics.compiler.question import Question
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.topics import Topic
from dragoman.semantics.query.request import Sort
from dragoman.store import UnitOfWork

RAW_ROWS = 50_001
DEFAULT_AGE = 6 * 3600
SUGGESTION_AGE = 30 * 86_400
DEFAULT_POLICY = "default"
# The vendor's words, which clients look for.
_WITHHELD = "Query failed. Error details are only visible to users with permission to view SQL."


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement and where it goes. `columns` None: those of the database (SQL by hand).

    `max_age`: seconds that a kept result is good for; `reset_at`: those before are not.
    `assembly`: what is left to do with the rows, None for nothing; `sorts`: the order that rows of
    SQL by hand are brought into. `shows_sql`: whether who asks may see the statement. `pivot`: the
    columns that tell rows of a pivoted table apart, and the limit of such rows.
    """

    located: Located
    sql: str
    columns: tuple[Column, ...] | None
    limit: int | None
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    description: str = ""
    max_age: float = DEFAULT_AGE
    reset_at: str | None = None
    assembly: Assembly | None = None
    sorts: tuple[Sort, ...] = ()
    shows_sql: bool = True
    pivot: tuple[tuple[str, ...], int] | None = None

    def told(self, failure: DatabaseFailure) -> DatabaseFailure:
        """A failure as who asks may read it: what a database says of a statement quotes it."""
        if self.shows_sql or failure.stage is not Stage.QUERY:
            return failure
        return DatabaseFailure(failure.stage, failure.cause, _WITHHELD)


def plan(unit: UnitOfWork, principal: Principal, ask: Ask) -> Planned:
    """Compile a question for who asks. Raises `PlanError`, and as `models.on_branch` and
    `dialling.locate`."""
    asker, model, located = _placed(unit, principal, ask)
    asking, told = _asking(unit, asker, located, ask)
    query = ask.query
    with _compiler(unit, model) as compiler:
        _check_model(compiler)
        rights = cache(partial(models.rights_on, unit, asker, model))
        passes = partial(_passes_rules, compiler, asker, rights)
        writes_sql = allow(asker, Permission.CONNECTIONS_SQL, rights())
        if query.has_references:
            free = writes_sql and passes(raw=True)
            question = compiler.handwritten(query, asking, any_function=free)
            query = question.query
        elif query.sql is not None:
            _check(passes(raw=True))
            sorts = query.sorts if query.sort_sql else ()
            told += query.warnings
            return Planned(
                located, query.sql, None, RAW_ROWS, warnings=tuple(told), max_age=0, sorts=sorts
            )
        else:
            question = None
        if not query.topic:
            _check(passes(raw=False))
        compiled = question.compile() if question else compiler.compile(query, asking)
        max_age, policy = _cache_policy(compiler, query.topic, suggestions=ask.suggestions)
    assembly = Assembly(query, compiled)
    reset_at = models.last_reset(unit, model.id, policy)
    planned = _planned(located, assembly, told, max_age, reset_at)
    return planned if writes_sql else replace(planned, shows_sql=False)


@contextmanager
def question(unit: UnitOfWork, principal: Principal, ask: Ask) -> Generator[Question]:
    """A question in fields of who asks, in its topic, before it is compiled; raises as `plan`."""
    asker, model, located = _placed(unit, principal, ask)
    asking, _ = _asking(unit, asker, located, ask)
    with _compiler(unit, model) as compiler:
        _check_model(compiler)
        yield compiler.question(ask.query, asking)


def _placed(unit: UnitOfWork, principal: Principal, ask: Ask) -> tuple[Principal, Model, Located]:
    """Who asks, of which model, and the connection whose database answers."""
    asker = identity.as_user(unit, principal, ask.acting_for)
    model = models.on_branch(unit, asker, ask.model_id, ask.branch_id)
    located = _located(unit, asker, model, ask)
    if model.is_branch:
        _check_base(unit, asker, model, raw=ask.query.sql is not None)
    return asker, model, located


def _check_base(unit: UnitOfWork, asker: Principal, branch: Model, *, raw: bool) -> None:
    """Refuse questions on a branch whose base has rules on rows, but for who may edit the base:
    whoever works on branches could write the rules away. Raises `PlanError`."""
    base = models.get(unit, OPERATOR, str(branch.base_model_id))
    rights = cache(partial(models.rights_on, unit, asker, base))
    if allow(asker, Permission.MODELS_EDIT, rights()):
        return
    with _compiler(unit, base) as compiler:
        if not _passes_rules(compiler, asker, rights, raw=raw):
            raise PlanError(
                "The model has rules on rows, which a branch may change.",
                fix="Ask the model itself, or have somebody ask who may edit it.",
                error_type=ErrorType.FORBIDDEN,
            )


def _planned(
    located: Located, assembly: Assembly, told: list[str], max_age: float, reset_at: str | None
) -> Planned:
    compiled = assembly.compiled
    return Planned(
        located,
        compiled.sql,
        assembly.columns(),
        compiled.limit,
        compiled.missing,
        (*told, *compiled.warnings, *assembly.warnings()),
        compiled.plan.describe(),
        max_age,
        reset_at,
        assembly if assembly.needed else None,
        pivot=_pivot(compiled.plan),
    )


def _pivot(plan: Plan) -> tuple[tuple[str, ...], int] | None:
    return (plan.pivoted_rows, plan.limit) if plan.pivots and plan.limit is not None else None


def _located(unit: UnitOfWork, asker: Principal, model: Model, ask: Ask) -> Located:
    """The connection whose database answers. Restricted queriers ask through topics only."""
    query = ask.query
    if query.has_references:
        # It names its topic itself, later; who may ask in topics alone sends no SQL at all.
        permission = Permission.QUERIES_ASK
    elif query.sql is not None:
        permission = Permission.CONNECTIONS_SQL
    else:
        permission = Permission.QUERIES_TOPIC if query.topic else Permission.QUERIES_ASK
    located = dialling.located(unit, asker, models.check(unit, asker, model, permission))
    if ask.environment_id is None or ask.environment_id == located.connection.id:
        return located
    raise Forbidden("Forbidden: connectionEnvironmentId is not the environment that you may use")


def _asking(
    unit: UnitOfWork, asker: Principal, located: Located, ask: Ask
) -> tuple[Asking, list[str]]:
    settings = located.connection.settings
    attributes = identity.attributes(unit, asker)
    own_zone = next(iter(attributes.get("omni_user_timezone", ())), None)
    zone, told = _zone(settings, ask.timezone, own_zone)
    return (
        Asking(
            dialect_sql.table(located.connection.dialect),
            unit.moment,
            {**attributes, "omni_user_timezone": (zone or UTC,)},
            zone,
            str(settings.get("systemTimezone") or UTC),
        ),
        told,
    )


def _zone(
    settings: Mapping[str, Any], asked: str | None, asker_has: object
) -> tuple[str | None, list[str]]:
    """The zone that readings are shown in; None: as they are stored. The one that the question
    names wins over the asker's own."""
    if settings.get("allowsUserSpecificTimezones") is True and (asked or asker_has):
        return asked or str(asker_has), []
    own = str(settings.get("queryTimezone") or NO_CONVERSION)
    zone = None if own == NO_CONVERSION else own
    if asked is None or asked == zone:
        return zone, []
    return zone, ["timezone: the connection does not allow user-specific time zones"]


def _compiler(unit: UnitOfWork, model: Model) -> AbstractContextManager[Compiler]:
    """The compiler of the model as it is now."""
    made = models.makeup(unit, model)
    layers = models.layers(unit, model, made=made)
    versions = tuple((each.id, each.version) for each in made)
    generation = catalog.generation(unit, model.connection_id)
    key = (str(unit.db.engine.url), model.id, versions, generation)
    return COMPILERS.of(key, layers)


def _check_model(compiler: Compiler) -> None:
    """Raise `BadRequest` for a model that is only there to be extended."""
    if compiler.model.is_template:
        raise BadRequest("Bad Request: the model is a template: ask one that extends it")


def check_rules(unit: UnitOfWork, asker: Principal, connection_id: str) -> None:
    """Raise `Forbidden` where SQL on the connection would reach past a model's rules on rows."""
    for model_id in models.bearers(unit, connection_id):
        model = models.get(unit, OPERATOR, model_id)
        rights = cache(partial(models.rights_on, unit, asker, model))
        with _compiler(unit, model) as compiler:
            if not _passes_rules(compiler, asker, rights, raw=True):
                raise Forbidden(
                    "Forbidden: a model of the connection has rules on rows, which hold in topics. "
                    "Ask in a topic; SQL may, too: FROM ${topic}, with POST /api/v1/query/run."
                )


def _passes_rules(
    compiler: Compiler, asker: Principal, rights: Callable[[], Rights], *, raw: bool
) -> bool:
    """Whether the asker may ask what rules on rows do not reach: SQL by hand (`raw`), and questions
    outside topics. Where a model has such rules, only who may edit the model may.

    What a topic always filters is a rule of that topic, so questions outside it need not obey;
    SQL by hand reads the tables themselves, of which a topic may be meant to show a part.
    """
    if allow(asker, Permission.MODELS_EDIT, rights()):
        return True
    composed = compiler.model
    return not composed.settings.default_topic_access_filters and not any(
        _has_rules(composed, name, raw=raw) for name in composed.topic_names()
    )


def _has_rules(model: ComposedModel, name: str, *, raw: bool) -> bool:
    try:
        topic = model.topic(name)
    except BadDefinition:
        return True  # it may have had some
    return isinstance(topic, Topic) and bool(topic.access_filters or (raw and topic.filters_always))


def _check(passes: bool) -> None:
    if not passes:
        raise PlanError(
            "The model has rules on rows, which hold in topics.",
            fix="Ask in a topic; SQL may, too: FROM ${topic}.",
            error_type=ErrorType.FORBIDDEN,
        )


def _cache_policy(compiler: Compiler, topic_name: str, *, suggestions: bool) -> tuple[float, str]:
    """Seconds that a result may be used again, and the name of the policy that says so. Values to
    choose from live longer, unless the policy says otherwise."""
    settings = compiler.model.settings
    topic = compiler.model.topic(topic_name) if topic_name else None
    own = topic.cache_policy if isinstance(topic, Topic) else None
    name = own or settings.default_cache_policy or DEFAULT_POLICY
    policy = settings.cache_policies.get(name)
    if suggestions and not (policy and policy.filter_suggestions_must_obey_policy):
        return SUGGESTION_AGE, name
    return (float(policy.max_age) if policy else DEFAULT_AGE), name


def audit_acting(unit: UnitOfWork, principal: Principal, ask: Ask) -> None:
    """Note that a key asked as somebody else."""
    asker = identity.as_user(unit, principal, ask.acting_for)
    if asker.by is not None:
        resource = ("user", str(asker.user_id))
        audit.record(unit, asker, "query.act_as", resource, after={"model": ask.model_id})
