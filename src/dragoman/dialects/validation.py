"""From the body of a request to checked settings: every rule derived from the declarations.

`validate` reports all problems of a body at once and never stops at the first.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from dragoman.dialects import hosts, names, registry, values
from dragoman.dialects.base import Authentication, Declaration, Dialect
from dragoman.dialects.properties import DESTINATION, PROPERTIES, Kind
from dragoman.secret import Secret, SecretStr

# More unknown names than this in one body are counted, not listed.
_MAX_UNKNOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a body: the property, what is wrong, and what to do."""

    field: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Warning:
    """Something accepted that deserves a word."""

    field: str
    message: str


class InvalidSettings(Exception):
    """The body cannot become a connection. `problems` has every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = problems


@dataclass(slots=True)
class Draft:
    """Settings on their way to a connection.

    `settings`: checked values of non-secret properties by wire name, defaults not filled in.
    `secrets`: by wire name. `kept`: names of secrets that are stored already (an update).
    """

    dialect: str
    settings: dict[str, str | int | bool]
    secrets: dict[str, Secret]
    kept: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Warning] = field(default_factory=list[Warning])

    def has(self, name: str) -> bool:
        """Whether the property has a value; a stored secret counts."""
        return name in self.settings or name in self.secrets or name in self.kept

    def plain(self, name: str) -> str | None:
        """A secret's text when it was sent in this body; None for references and stored ones."""
        secret = self.secrets.get(name)
        return secret.reveal() if isinstance(secret, SecretStr) else None

    def refused(self, *names: str) -> bool:
        """Whether one of the properties has a problem already."""
        return any(problem.field in names for problem in self.problems)

    def reject(self, name: str, message: str, fix: str = "") -> None:
        """Add a problem: the body will be refused."""
        self.problems.append(Problem(name, message, fix))

    def warn(self, name: str, message: str) -> None:
        """Add a warning: the body is taken."""
        self.warnings.append(Warning(name, message))

    def effective(
        self, stored: Mapping[str, object] | None = None
    ) -> dict[str, str | int | bool | None]:
        """The settings with this dialect's defaults filled in, inapplicable ones left as sent.

        `stored`: the settings of the connection that is changed. A default that a later version
        brought does not become part of where its secrets are for.
        """
        defaults = registry.get(self.dialect).declaration.defaults()
        if stored is not None:
            new = set(DESTINATION) - set(stored)
            defaults = {name: value for name, value in defaults.items() if name not in new}
        return {**defaults, **self.settings}


def validate(
    body: Mapping[str, object], *, strict: bool = False, kept: frozenset[str] = frozenset()
) -> Draft:
    """Check a body against the dialect it names.

    `strict`: a property that the dialect does not use is a problem, not a warning
    (RFC 7240 `Prefer: handling=strict`). `kept`: secrets that are stored already.
    Raises `InvalidSettings` with every problem found.
    """
    present = {name: value for name, value in body.items() if value is not None}
    problems = _unknown([name for name in present if name not in PROPERTIES])
    dialect = _dialect(present.get("dialect"), problems)
    draft = Draft(dialect.declaration.name if dialect else "", {}, {}, kept, problems)
    for name, value in present.items():
        if name in PROPERTIES and not (name == "dialect" and dialect is None):
            _take(draft, name, value)
    if "name" not in draft.settings and not draft.refused("name"):
        draft.reject("name", "Required", "Give the connection a name.")
    if dialect is not None:
        _apply(draft, dialect, strict=strict)
    if dialect is None or draft.problems:
        raise InvalidSettings(list(dict.fromkeys(draft.problems)))
    return draft


def _apply(draft: Draft, dialect: Dialect, *, strict: bool) -> None:
    """All rules that need to know the dialect."""
    declared = dialect.declaration
    _inapplicable(draft, declared, strict=strict)
    _required(draft, declared)
    _sign_in(draft, dialect)
    dialect.check(draft)
    _host(draft, declared)
    _offloaded(draft, declared)
    _scratch(draft)
    if declared.use("trustServerCertificate") and draft.settings.get("trustServerCertificate"):
        draft.warn(
            "trustServerCertificate",
            "The server's certificate is not checked: whoever stands between can read everything.",
        )


def _unknown(unknown: list[str]) -> list[Problem]:
    problems = [_unknown_name(name) for name in unknown[:_MAX_UNKNOWN]]
    if len(unknown) > _MAX_UNKNOWN:
        left = len(unknown) - _MAX_UNKNOWN
        problems.append(Problem("", f"{left} more unrecognized keys", "Leave them out."))
    return problems


def _unknown_name(name: str) -> Problem:
    close = difflib.get_close_matches(name, PROPERTIES, n=1, cutoff=0.6)
    if not close:
        lowered = {known.lower(): known for known in PROPERTIES}
        close = [lowered[k] for k in difflib.get_close_matches(name.lower(), lowered, n=1)]
    fix = f"Did you mean {close[0]}?" if close else "Leave it out."
    return Problem(name[:100], f"Unrecognized key(s) in object: '{name[:100]}'", fix)


def _dialect(value: object, problems: list[Problem]) -> Dialect | None:
    listing = ", ".join(registry.names())
    if value is None:
        problems.append(Problem("dialect", "Required", f"One of {listing}."))
        return None
    if not isinstance(value, str) or value not in registry.names():
        named = str(value)[:60]
        close = difflib.get_close_matches(named.lower(), registry.names(), n=1, cutoff=0.6)
        hint = f"Did you mean {close[0]}? " if close else ""
        message = f"Unknown dialect '{named}'"
        problems.append(Problem("dialect", message, f"{hint}One of {listing}."))
        return None
    return registry.get(value)


def _take(draft: Draft, name: str, value: object) -> None:
    """Check one value by its kind and file it. Empty text counts as absent."""
    known = PROPERTIES[name]
    try:
        if known.kind is Kind.SECRET:
            # An empty password may be meant; whether it may be is told when signing in.
            if value != "" or name == "passwordUnencrypted":
                draft.secrets[name] = values.secret(value)
        else:
            checked = values.check(known, value)
            if checked != "":
                draft.settings[name] = checked
    except values.BadValue as bad:
        draft.reject(name, bad.message, bad.fix)


def _inapplicable(draft: Draft, declared: Declaration, *, strict: bool) -> None:
    for name in (*draft.settings, *draft.secrets):
        if declared.use(name) is not None:
            continue
        message = f"{name} does not apply to {declared.label}"
        if strict:
            draft.reject(name, message, "Leave it out, or do not ask for handling=strict.")
        else:
            draft.warn(name, f"{message}; it is stored and has no effect.")


def _required(draft: Draft, declared: Declaration) -> None:
    for name, use in declared.properties().items():
        if use.required and not draft.has(name) and not draft.refused(name):
            draft.reject(name, "Required", use.hint or f"{declared.label} needs {name}.")


def _sign_in(draft: Draft, dialect: Dialect) -> None:
    """What the chosen way to sign in needs, advises and does not use."""
    declared = dialect.declaration
    if draft.refused("authenticationType"):
        return
    chosen = dialect.choose_authentication(draft)
    if chosen is None:
        offered = ", ".join(a.value for a in declared.authentication if a.value)
        sent = str(draft.settings.pop("authenticationType"))[:60]
        draft.reject("authenticationType", f"Unknown value '{sent}'", f"One of {offered}.")
        return
    if chosen.value is not None and declared.use("authenticationType") is not None:
        # Said in words, so that a later change of settings does not choose anew.
        draft.settings["authenticationType"] = chosen.value
    for need in chosen.needs:
        _need(draft, declared, need, chosen.label)
    for name, without in chosen.advises.items():
        if not draft.has(name):
            draft.warn(name, without)
    _unused(draft, declared, chosen)


def _need(draft: Draft, declared: Declaration, need: str | tuple[str, ...], label: str) -> None:
    choices = (need,) if isinstance(need, str) else need
    if draft.refused(*choices):
        return
    given = [name for name in choices if draft.has(name)]
    if not given:
        draft.reject(choices[0], "Required", f"{label} needs {' or '.join(choices)}.")
    elif any(draft.plain(name) != "" for name in given):
        return
    elif declared.empty_password and given == ["passwordUnencrypted"]:
        draft.warn(given[0], "The password is empty.")
    else:
        draft.reject(given[0], "Must not be empty", f"{label} needs {' or '.join(choices)}.")


def _unused(draft: Draft, declared: Declaration, chosen: Authentication) -> None:
    """Secrets that are not for this way to sign in: an empty password goes, others get a word."""
    needed = {n for need in chosen.needs for n in ((need,) if isinstance(need, str) else need)}
    if "passwordUnencrypted" not in needed and draft.plain("passwordUnencrypted") == "":
        del draft.secrets["passwordUnencrypted"]
    for name in draft.secrets:
        used = name in needed or name in chosen.optional
        if not used and declared.use(name) is not None:
            draft.warn(name, f"It is not used to sign in by {chosen.label}.")


def _host(draft: Draft, declared: Declaration) -> None:
    """Dialects with a port dial `host` itself; the others read it in their own way."""
    host = draft.settings.get("host")
    if host is None or declared.use("port") is None or draft.refused("host"):
        return
    try:
        draft.settings["host"] = hosts.check_host(str(host))
    except values.BadValue as bad:
        draft.reject("host", bad.message, bad.fix)


def _offloaded(draft: Draft, declared: Declaration) -> None:
    """Schemas of a catalog that the connection does not read cannot be offloaded."""
    offloaded = names.compile_patterns(str(draft.settings.get("offloadedSchemas", "")))
    if not offloaded.catalogs():
        return
    own = str(draft.settings.get("database") or declared.default("database") or "")
    others = str(draft.settings.get("includeOtherCatalogs", ""))
    read = names.compile_patterns(others, fold=True, qualified=False)
    for catalog in offloaded.catalogs():
        included = bool(read.patterns) and read.matches(catalog)
        if catalog.lower() != own.lower() and not included:
            draft.warn(
                "offloadedSchemas", f"{catalog} is not in includeOtherCatalogs, so nothing matches."
            )


def _scratch(draft: Draft) -> None:
    """The schema of uploads is not modelled, so it should be no other's."""
    scratch = str(draft.settings.get("scratchSchema", ""))
    included = names.compile_patterns(str(draft.settings.get("includeSchemas", "")))
    wanted = bool(included.patterns) and included.matches(scratch)
    if scratch and (wanted or scratch == draft.settings.get("defaultSchema")):
        draft.warn(
            "scratchSchema", f"It is for uploads alone: other tables in {scratch} are not modelled."
        )
