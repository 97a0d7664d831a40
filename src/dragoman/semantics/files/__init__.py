"""Files of the modeling language: their names, reading, writing, editing."""

from dragoman.semantics.files.layer import FilesLayer, FolderLayer
from dragoman.semantics.files.naming import view_name, with_reference
from dragoman.semantics.files.paths import BadPath, FileKind, FilePath, disk_path, parse_path
from dragoman.semantics.files.reading import SourceFile, marks, read, view_reference
from dragoman.semantics.files.writing import write

__all__ = [
    "BadPath",
    "FileKind",
    "FilePath",
    "FilesLayer",
    "FolderLayer",
    "SourceFile",
    "disk_path",
    "marks",
    "parse_path",
    "read",
    "view_name",
    "view_reference",
    "with_reference",
    "write",
]
