"""A folder of model files for people: editors find the schema of each file beside it.

Files on disk have a first line `# yaml-language-server: $schema=…` with the way to a file in
`.dragoman/`, so completion and checks work without a server and without a network. The line belongs
to the folder: it is taken away when files come back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from dragoman.semantics.files.paths import FileKind, FilePath, disk_path

SCHEMAS = ".dragoman"
_LINE = re.compile(r"^# yaml-language-server: \$schema=[^\n]*\n", re.MULTILINE)


def schema_files() -> Iterator[tuple[str, str]]:
    """The schemas of all kinds, as paths below the folder and their texts."""
    from dragoman.semantics.schema import document

    for kind in FileKind:
        text = json.dumps(document(kind), indent=2, ensure_ascii=False)
        yield f"{SCHEMAS}/{kind.value}.schema.json", f"{text}\n"


def for_folder(path: FilePath, text: str) -> tuple[str, str]:
    """The path on disk and the text of a file, with the line for editors."""
    up = "../" * len(PurePosixPath(path.key).parts[:-1])
    line = f"# yaml-language-server: $schema={up or './'}{SCHEMAS}/{path.kind.value}.schema.json\n"
    return disk_path(path.key), line + from_folder(text)


def from_folder(text: str) -> str:
    """The text of a file without the line for editors."""
    return _LINE.sub("", text, count=1) if text.startswith("# yaml-language-server") else text
