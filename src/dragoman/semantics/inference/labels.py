"""Labels: what people read in place of a name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GAP: Final = re.compile(r"[\s_]+")


@lru_cache(maxsize=65_536)
def title(name: str) -> str:
    """`distribution_centers`, `DISTRIBUTION_CENTERS` and `distributionCenters` as
    `Distribution Centers`."""
    text = name if name.isupper() or name.islower() else _HUMP.sub(" ", name)
    words = [word for word in _GAP.split(text) if word]
    return " ".join(word[:1].upper() + word[1:].lower() for word in words) or name
