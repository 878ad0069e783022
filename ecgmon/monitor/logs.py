"""Log lines that a person or a program can read, and that no flood of bad input can multiply.

Text, or one JSON object a line. Each kind of message (its logger and its unformatted text) is logged
:data:`BURST` times a period at most; when the period is over, a line says how many were left out, before
whatever is logged next. Characters that would move a terminal or break a line are written as escapes.
Secrets and waveforms are kept out where they are: what holds one shows none (see
:mod:`ecgmon.transport.broker`).
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Literal, TextIO

import msgspec

from ecgmon.config import Settings

BURST: Final = 20
"""Lines of one kind in a period."""

PERIOD: Final = 60.0
"""Seconds."""

MAX_KINDS: Final = 1000
"""Kinds that are remembered; beyond, all are forgotten and counted anew."""

Kind = tuple[str, str]


class LoggingSettings(Settings, frozen=True):
    """What is logged, on standard error; ``--debug`` overrides the level."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""
    format: Literal["text", "json"] = "text"
    """json: one object a line."""


def configure(settings: LoggingSettings, *, debug: bool = False) -> None:
    """Send all logging to standard error as ``settings`` say; may be called again while we run."""
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if debug else settings.level.upper())
    handler = next((each for each in root.handlers if isinstance(each, CalmHandler)), None)
    if handler is None:
        handler = CalmHandler()
        plain = [each for each in root.handlers if type(each) is logging.StreamHandler]
        for each in plain:  # what the command line began with
            root.removeHandler(each)
        root.addHandler(handler)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())


def printable(text: str) -> str:
    """``text`` on one line, without control characters, and without what turns text around."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class TextFormatter(logging.Formatter):
    """Time, level, logger and message; a traceback follows, indented, so that it cannot pass for a line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the base class's
        return "\n".join(f"    {printable(line)}" for line in super().formatException(ei).split("\n"))


class JsonFormatter(logging.Formatter):
    """One object a line: ``time`` (UTC), ``level``, ``logger``, ``message``, and ``traceback`` if any."""

    def format(self, record: logging.LogRecord) -> str:
        seconds, milliseconds = divmod(round(record.created * 1000), 1000)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        content = {
            "time": f"{stamp}.{milliseconds:03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
        }
        if record.exc_info:
            lines = self.formatException(record.exc_info).split("\n")
            content["traceback"] = "\n".join(map(printable, lines))
        return msgspec.json.encode(content).decode()


class CalmHandler(logging.StreamHandler[TextIO]):
    """Writes to standard error, each kind of message so often at most; what DEBUG says is not counted."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(sys.stderr if stream is None else stream)
        self._clock = clock
        self._kinds: dict[Kind, tuple[float, int]] = {}  # since when, and how many came since

    def emit(self, record: logging.LogRecord) -> None:
        """Called under the handler's lock."""
        now = self._clock()
        self._look_back(now)
        if record.levelno <= logging.DEBUG:
            super().emit(record)
            return
        kind = (record.name, str(record.msg))
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            self._kinds.clear()
        since, count = self._kinds.get(kind, (now, 0))
        self._kinds[kind] = (since, count + 1)
        if count < BURST:
            super().emit(record)

    def _look_back(self, now: float) -> None:
        """Forget the kinds whose period is over, and say what was left out of them."""
        over = {kind: count for kind, (since, count) in self._kinds.items() if now - since >= PERIOD}
        for kind, count in over.items():
            del self._kinds[kind]
            if count > BURST:
                text = "%d lines were left out that begin like this: %s"
                args = (count - BURST, kind[1][:80])
                super().emit(logging.LogRecord(kind[0], logging.WARNING, "", 0, text, args, None))
