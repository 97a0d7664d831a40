"""Files of the modeling language: their names, reading, writing, editing."""

from dragoman.semantics.files.editing import CannotEdit, edit, expanded
from dragoman.semantics.files.layer import FilesLayer, FolderLayer, GeneratedLayer
from dragoman.semantics.files.naming import view_name, with_reference
from dragoman.semantics.files.paths import BadPath, FileKind, FilePath, disk_path, parse_path
from dragoman.semantics.files.reading import SourceFile, marks, read, view_reference
from dragoman.semantics.files.writing import write

__all__ = [
    "BadPath",
    "CannotEdit",
    "FileKind",
    "FilePath",
    "FilesLayer",
    "FolderLayer",
    "GeneratedLayer",
    "SourceFile",
    "disk_path",
    "edit",
    "expanded",
    "marks",
    "parse_path",
    "read",
    "view_name",
    "view_reference",
    "with_reference",
    "write",
]
