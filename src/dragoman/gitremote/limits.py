"""How much a remote may send, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    `total_seconds` bounds a whole conversation, `answer_seconds` each silence in it.
    `object_bytes` is the largest single file of the repository, wherever it lies (GitHub's own
    limit is 100 MB); `file_bytes` and `files` are about the files of the model.
    """

    dial_seconds: float = 10.0
    answer_seconds: float = 20.0
    total_seconds: float = 120.0
    answer_bytes: int = 500 * MEGABYTE
    reference_bytes: int = 20 * MEGABYTE
    objects: int = 1_000_000
    object_bytes: int = 100 * MEGABYTE
    inflated_bytes: int = 2048 * MEGABYTE
    tree_depth: int = 20
    files: int = 50_000
    file_bytes: int = 5 * MEGABYTE
    files_bytes: int = 200 * MEGABYTE
    cached_bytes: int = 1024 * MEGABYTE
    cached_packs: int = 50
