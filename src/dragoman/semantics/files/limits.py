"""How large a file may be. Each limit is far above what people write, and far below what hurts."""

from __future__ import annotations

MAX_CHARACTERS = 5_000_000
MAX_DEPTH = 60
# Values after aliases are written out: what a bomb of anchors would unfold to.
MAX_VALUES = 250_000
# Problems of one file that are listed.
MAX_PROBLEMS = 100
