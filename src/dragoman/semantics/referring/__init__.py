"""Who refers to whom in the files of a model, and renaming with everything that refers along."""

from dragoman.semantics.referring.mentions import Mention, mentions
from dragoman.semantics.referring.renaming import NamedFile, References, qualified

__all__ = ["Mention", "NamedFile", "References", "mentions", "qualified"]
