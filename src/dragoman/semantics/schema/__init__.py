"""The parameters of the language as JSON Schema (2020-12), one for each kind of file.

One statement of them serves editors (`dragoman schema view`), the check of files and the
documentation.
"""

from dragoman.semantics.schema.check import check
from dragoman.semantics.schema.documents import document

__all__ = ["check", "document"]
