"""The keys of model files: what a path says about its kind and its name.

| key | kind |
| --- | --- |
| `model`, `relationships` | the model's settings; the list of joins |
| `<folder>/<name>.view`, `<folder>/<name>.query.view` | a view over a table; a view over a query |
| `<folder>/<name>.topic`, `<folder>/<name>.composite_topic` | a topic; topics stitched together |

On disk and in git the same names may end in `.yaml` or `.yml`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class FileKind(StrEnum):
    """What a file holds. The value is also the name of its JSON Schema."""

    MODEL = "model"
    RELATIONSHIPS = "relationships"
    VIEW = "view"
    QUERY_VIEW = "query_view"
    TOPIC = "topic"
    COMPOSITE_TOPIC = "composite_topic"

    @property
    def is_view(self) -> bool:
        """Whether it defines a view."""
        return self in (FileKind.VIEW, FileKind.QUERY_VIEW)

    @property
    def is_topic(self) -> bool:
        """Whether it defines a topic."""
        return self in (FileKind.TOPIC, FileKind.COMPOSITE_TOPIC)


# The longer ending first: `.query.view` is no view called `x.query`.
ENDINGS = {
    ".query.view": FileKind.QUERY_VIEW,
    ".view": FileKind.VIEW,
    ".composite_topic": FileKind.COMPOSITE_TOPIC,
    ".topic": FileKind.TOPIC,
}
_WHOLE = {"model": FileKind.MODEL, "relationships": FileKind.RELATIONSHIPS}
_YAML = re.compile(r"\.ya?ml$")
MAX_PATH = 1000


@dataclass(frozen=True, slots=True)
class FilePath:
    """A file's key, taken apart. `key`: without `.yaml`; `folder`: `""` at the top.

    `name`: the file's own name without its ending (`users` of `public/users.view`); the qualified
    name of a view may differ, `files.naming` says which it is.
    """

    key: str
    kind: FileKind
    name: str
    folder: str


class BadPath(ValueError):
    """No file of a model can be called that. `fix` says what would do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def parse_path(path: str) -> FilePath:
    """A key or a path relative to the model's folder, taken apart. Raises `BadPath`."""
    key = _YAML.sub("", path.replace("\\", "/"))
    _check(key, path)
    if key in _WHOLE:
        return FilePath(key, _WHOLE[key], key, "")
    folder, _, base = key.rpartition("/")
    for ending, kind in ENDINGS.items():
        if base.endswith(ending) and base[0] != ".":
            return FilePath(key, kind, base.removesuffix(ending), folder)
    raise BadPath(
        f"{path[:200]!r} is no file of a model",
        "Call it model, relationships, <name>.view, <name>.query.view, <name>.topic or "
        "<name>.composite_topic, with .yaml behind it on disk.",
    )


def _check(key: str, path: str) -> None:
    parts = key.split("/")
    if len(key) > MAX_PATH:
        raise BadPath(f"The file name {path[:60]!r}… is too long", f"At most {MAX_PATH} letters.")
    if any(part in ("", ".", "..") for part in parts):
        raise BadPath(f"{path[:200]!r} does not stay inside the model", "Write it without . and ..")
    if not key.isprintable():
        raise BadPath(f"{path[:200]!r} has control characters", "Use printable characters.")


def disk_path(key: str) -> str:
    """The path on disk and in git: the key with `.yaml` behind it."""
    return f"{key}.yaml"
