"""Alerts as JSON lines: one alert a line, as on MQTT, to a file or to standard output."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, BinaryIO

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Alert
from ecgmon.errors import DataError
from ecgmon.sinks.base import State
from ecgmon.transport.payloads import encode_alert

log = logging.getLogger(__name__)


class JsonlSettings(Settings, frozen=True, tag="jsonl", tag_field="type"):
    """Alerts as JSON lines."""

    path: Annotated[str, Meta(min_length=1, description="file to append to; '-' is standard output")] = "-"


class JsonlSink:
    """Appends alerts to a file, each flushed at once; states are not written.

    A disk that fills up, or a reader of standard output that went away, loses alerts: each is counted as
    ``failed`` and the first of a row is logged, but the monitor goes on.
    """

    def __init__(self, settings: JsonlSettings) -> None:
        self.settings = settings
        self._file: BinaryIO | None = None
        self._delivered = self._failed = 0
        self._trouble: str | None = None
        self._torn = False  # the last line ends in the middle, since the disk was full

    @property
    def trouble(self) -> str | None:
        """Why the last alert could not be written; None when it was, or there was none."""
        return self._trouble

    def open(self) -> None:
        """Open the file; :class:`DataError` when it cannot be written."""
        if self.settings.path == "-":
            self._file = sys.stdout.buffer
            return
        try:
            # An alert speaks of a patient: the file is the owner's alone. close() closes it.
            self._file = open(self.settings.path, "ab", buffering=0, opener=_open_private)  # noqa: SIM115
        except OSError as error:
            raise DataError(f"{self.settings.path}: cannot be written ({error.strerror})") from None

    def alert(self, alert: Alert) -> None:
        try:
            self._write(encode_alert(alert) + b"\n")
        except (OSError, ValueError) as error:
            self._failed += 1
            trouble = f"alerts cannot be written to {self.settings.path}: {error}"
            if self._trouble is None:
                log.error("%s", trouble)  # noqa: TRY400 - no traceback for a full disk
            self._trouble = trouble
        else:
            self._delivered += 1
            self._trouble = None

    def _write(self, line: bytes) -> None:
        if self._file is None:
            raise ValueError("the sink is not open")
        data = b"\n" + line if self._torn else line
        done = 0
        try:
            while done < len(data):
                done += self._file.write(data[done:])
            self._file.flush()
        finally:
            self._torn = done < len(data) if done else self._torn

    def state(self, stream: str, state: State) -> None:
        """States are for those who watch, not for a log of alerts."""

    def close(self, deadline: float) -> int:  # noqa: ARG002 - each alert is flushed when it comes
        if self._file is not None and self._file is not sys.stdout.buffer:
            self._file.close()
        self._file = None
        return self._failed

    def stats(self) -> dict[str, int]:
        return {"delivered": self._delivered, "failed": self._failed}


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
