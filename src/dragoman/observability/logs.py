"""Structured logs: one event a line, JSON or text, with the request id; to stderr and to a file.

Values pass `redact` last, so that a secret that slipped into an event still shows as stars.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import msgspec
import structlog

from dragoman.observability.logfile import LogFile
from dragoman.secret import MASK, SecretStr

_TOKEN = re.compile(r"omni_(?:osk|pat)_[0-9A-Za-z]+")
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@")


class _Kept:
    """The log file of this process; replaced when logging is set up again."""

    file: LogFile | None = None


def configure(level: str, form: Literal["auto", "json", "text"], file: Path | None = None) -> None:
    """Set up structlog and the standard library's logging to write the same lines to stderr.

    `file` gets each line as well, always as JSON. Raises `OSError` when it cannot be opened.
    """
    if _Kept.file is not None:
        _Kept.file.close()
    _Kept.file = None if file is None else LogFile(file)
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderers = _renderers(_Kept.file, structlog.dev.ConsoleRenderer() if text else None)
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[_Bridge()], force=True
    )


def _renderers(file: LogFile | None, console: Any) -> list[Any]:
    """The last processors: each event becomes the line of the file, and the line of stderr, which
    is the same one unless `console` makes another of the event."""

    def keep(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
        line = msgspec.json.encode(event, enc_hook=str)
        if file is not None:
            file.write(line + b"\n")
        return event if console else line.decode()

    return [keep, console] if console else [keep]


class _StandardError:
    """Standard error as it is when a line is written, whoever replaced it meanwhile."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Bridge(logging.Handler):
    """Lines of libraries, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(record.levelno, record.getMessage())


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask secrets by type, and tokens and URL passwords by their form."""
    for name, value in event.items():
        if not isinstance(value, _HARMLESS):
            event[name] = _cleaned(value)
    return event


_HARMLESS = (int, float, type(None))


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return scrub(value) if "omni_" in value or "://" in value else value
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {str(key): _cleaned(each) for key, each in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(each) for each in cast("Iterable[object]", value)]
    return value if isinstance(value, _HARMLESS) else scrub(str(value))


def scrub(text: str) -> str:
    """The text without tokens of ours and without passwords in URLs."""
    return _URL_PASSWORD.sub(rf"\1:{MASK}@", _TOKEN.sub(MASK, text))
