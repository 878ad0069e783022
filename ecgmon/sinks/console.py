"""One line an alert, for a person at a terminal."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

from ecgmon.config import Settings
from ecgmon.ecg.types import Alert, Evidence
from ecgmon.sinks.base import State

log = logging.getLogger(__name__)

_COLOURS: Final = {"critical": "\x1b[1;31m", "warning": "\x1b[33m", "info": "\x1b[36m"}
_PARTS: Final = {"pre_qrs": "P wave", "qrs": "QRS", "st_t": "ST-T", "rhythm": "rhythm"}
_ORDERS: Final = {"run", "bigeminy", "trigeminy", "every-second-beat", "every-third-beat"}
_CLEARED: Final = "\x1b[32m"
_PLAIN: Final = "\x1b[0m"


class ConsoleSettings(Settings, frozen=True, tag="console", tag_field="type"):
    """Alerts as readable lines on standard output."""

    colour: bool | None = None
    """None: colour where standard output is a terminal and NO_COLOR is not set."""


class ConsoleSink:
    """Writes lines such as ``12:03:04 bed-2 RAISED anomalous-beats: 3 beats in a row at 131/min, wide QRS
    (150 ms, usually 88), p=0.0004, 76/min``. Where no finding of single beats covers half of the odd ones,
    the part that weighed most in the oddest is said too: ``mostly ST-T``.
    """

    def __init__(self, settings: ConsoleSettings | None = None, out: TextIO | None = None) -> None:
        self.settings = settings or ConsoleSettings()
        self._out: TextIO = out or sys.stdout
        self._delivered = self._failed = 0
        self._trouble: str | None = None
        self._colour = False

    @property
    def trouble(self) -> str | None:
        """Why the last alert could not be written; None when it was, or there was none."""
        return self._trouble

    def open(self) -> None:
        wanted = self.settings.colour
        self._colour = self._out.isatty() and "NO_COLOR" not in os.environ if wanted is None else wanted

    def alert(self, alert: Alert) -> None:
        line = format_alert(alert)
        if self._colour:
            colour = _COLOURS[alert.severity] if alert.state == "raised" else _CLEARED
            line = f"{colour}{line}{_PLAIN}"
        try:
            print(line, file=self._out, flush=True)
        except (OSError, ValueError) as error:
            self._failed += 1
            trouble = f"alerts cannot be written to the console: {error}"
            if self._trouble is None:
                log.error("%s", trouble)  # noqa: TRY400 - the reader is gone
            self._trouble = trouble
        else:
            self._trouble = None
            self._delivered += 1

    def state(self, stream: str, state: State) -> None:
        """A line a second for each stream would hide the alerts."""

    def close(self, deadline: float) -> int:  # noqa: ARG002 - each line is flushed when it comes
        return self._failed

    def stats(self) -> dict[str, int]:
        return {"delivered": self._delivered, "failed": self._failed}


def format_alert(alert: Alert) -> str:
    """One line: when (UTC, the stream's clock), who, what, and what it rests on."""
    when = datetime.fromtimestamp(alert.time, UTC).strftime("%H:%M:%S")
    evidence = alert.evidence
    facts = []
    if evidence is not None and evidence.summary:
        facts.append(evidence.summary)
    elif alert.beats:
        facts.append(f"{alert.beats} beat{'s' if alert.beats > 1 else ''}")
    if alert.state == "cleared":
        facts.append(f"lasted {alert.end - alert.onset:.0f} s")
    if alert.p_value is not None:
        facts.append(f"p={alert.p_value:.2g}")
    if alert.heart_rate is not None:
        facts.append(f"{alert.heart_rate:.0f}/min")
    if evidence is not None and evidence.parts and not _explained(alert.beats, evidence):
        part = max(evidence.parts, key=evidence.parts.__getitem__)
        facts.append(f"mostly {_PARTS.get(part, part)}")
    line = f"{when} {alert.stream} {alert.state.upper()} {alert.kind}"
    return f"{line}: {', '.join(facts)}" if facts else line


def _explained(odd: int, evidence: Evidence) -> bool:
    """Whether half of the odd beats show one and the same finding. That odd beats follow each other says
    nothing of what is odd about them."""
    shown = [finding.beats for finding in evidence.findings if finding.code not in _ORDERS]
    return 2 * max(shown, default=0) >= max(odd, 1)
