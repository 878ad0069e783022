"""What the monitor knows of one stream, and the order in which it speaks.

Everything that a stream produces, beats, verdicts over seconds, its end, becomes an :class:`Item` in one
line. The order of the line is the order of stream time at which each became known, whatever the cutting
into chunks: that is why alerts, and with them their ids, do not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ecgmon.ecg.frontend import Frontend, Output
from ecgmon.ecg.leads import LeadSelector
from ecgmon.ecg.types import Alert, Beat, Chunk, Layout, Quality, Samples, Score
from ecgmon.model.baseline import Baseline
from ecgmon.monitor import snapshot
from ecgmon.monitor.alerting import StreamAlerts
from ecgmon.monitor.arrivals import Arrivals, ArrivalSettings

SETTLE: Final = 1.0
"""A verdict over a second is used this long (s) after the frontend's delay behind that second, so that it
keeps its place among the beats however the samples were cut."""

DRIFT: Final = 1.0
"""A device's clock and its samples may differ by so much (s) before stream time follows the clock."""

LEARNS: Final = 6.0
"""Seconds that a new signal path needs before it tells of beats."""

ROUNDING: Final = 1e-6
"""Of stream times, s."""

SCHEMA: Final = "ecgmon.stream/1"

NOT_KEPT: Final = frozenset({"heard", "fed", "lost", "resumed"})
"""Attributes that mean nothing to another run."""


class End(msgspec.Struct, frozen=True, gc=False):
    """The stream ended at this stream time, s."""

    t: float


class Silent(msgspec.Struct, frozen=True, gc=False):
    """Nothing came for ``seconds`` s behind stream time ``t``, s; 0 s: data comes again from ``t`` on."""

    t: float
    seconds: float


Ack = Callable[[], None]
Path = tuple[LeadSelector, Frontend]


class Item(msgspec.Struct, gc=False):
    """One thing to be handed on in order. ``epoch``: UTC of stream time 0; ``received``: monotonic, s;
    ``score``: of a beat, when it has been scored."""

    state: StreamState | None
    what: Beat | Quality | Silent | End | Ack
    epoch: float
    received: float
    score: Score | None = None


class StreamState:
    """One live stream, from its first chunk on.

    Leads are known by their names, in whatever order they come; others than the one that is watched may come
    and go. Another rate, or another lead to watch, is another signal path (:meth:`form`, :meth:`renew`) in
    the same stream: its time goes on, and what stands stands.

    Raises :class:`~ecgmon.errors.DataError` when rate or lead of the first chunk cannot be used.
    """

    __slots__ = (
        "_began", "_gaps", "_hasty", "_held", "_make", "_samples", "_seams", "_settle", "_told",
        "_wanted", "alerts", "arrivals", "baseline", "beats", "corrected", "corrections", "epoch",
        "fed", "frontend", "fs", "heard", "leads", "lost", "name", "odd_beats", "resumed",
        "selector", "spoke", "verdict",
    )  # fmt: skip

    def __init__(
        self,
        first: Chunk,
        *,
        lead: str,
        layout: Layout,
        arrivals: ArrivalSettings,
        alerts: StreamAlerts,
        baseline: Baseline | None,
        r_peaks: NDArray[np.float64] | None = None,
    ) -> None:
        self.name = first.stream
        self.fs = first.fs
        self.leads = first.leads
        self.epoch = first.t
        self.alerts = alerts
        self.baseline = baseline
        self.arrivals = Arrivals(first, arrivals)
        self._wanted = lead
        self._make = partial(Frontend, layout=layout, r_peaks=r_peaks)
        self.selector = LeadSelector(lead, first.fs, first.leads)
        self.frontend = self._make(first.fs)
        self.heard = 0.0
        """Monotonic time of the last chunk, s."""
        self.fed = 0.0
        """Monotonic time of the last chunk that brought something new, s."""
        self.lost = False
        """Nothing new came for so long that it was said."""
        self.resumed = False
        """It was read from disk and nothing has come since."""
        self.corrections = 0
        """How often the stream's time had to follow the device's clock."""
        self.corrected = 0.0
        """By how much the last time, s."""
        self.beats = 0
        self.odd_beats = 0
        self.verdict = "unknown"
        self.spoke = 0.0
        """Stream time of the last state that was published, s."""
        self._samples = 0
        self._gaps = 0.0
        self._held: list[Quality] = []
        self._settle = SETTLE + self.frontend.delay
        self._told = 0  # seconds of which the frontend gave its verdict
        self._began = 0.0  # stream time at which its signal path began
        self._seams: list[int] = []  # seconds in which something broke off: a beat may have been lost there
        self._hasty = False  # the one before lived too short a time to tell of anything

    @property
    def never_beat(self) -> bool:
        """No beat was ever found."""
        return self.beats == 0

    def fits(self, chunk: Chunk) -> bool:
        """Whether the signal path can go on with it: the same rate, and what is watched is there."""
        lead, leads = self.selector.lead, chunk.leads
        if chunk.fs != self.fs or leads == self.leads:
            return chunk.fs == self.fs
        return sorted(leads) == sorted(self.leads) if lead is None else lead in leads

    def form(self, chunk: Chunk) -> Path:
        """A signal path for chunks like ``chunk``, of the same lead if that is there; changes nothing."""
        lead = self.selector.lead
        wanted = lead if lead in chunk.leads else self._wanted
        return LeadSelector(wanted or self._wanted, chunk.fs, chunk.leads), self._make(chunk.fs)

    def finish(self) -> list[Item]:
        """The signal path ends, the stream does not: what is complete."""
        out = Output()
        self._break(out, 0.0)
        return self._ordered(out)

    def renew(self, chunk: Chunk, path: Path, gap: float) -> list[Item]:
        """Behind :meth:`finish`: go on by ``path``, ``gap`` seconds later, with ``chunk`` as the first.

        Where such changes come so fast that no path learns to tell of beats, its seconds are told as missing:
        nobody watches the patient.
        """
        now = self.covered + gap
        self._hasty, self._began = self.covered - self._began < LEARNS, now
        if path[0].lead is None or path[0].lead != self.selector.lead:
            self.alerts.watch.line.forget()
        self.selector, self.frontend = path
        self.fs, self.leads = chunk.fs, chunk.leads
        self._samples, self._gaps = 0, now
        self._settle = SETTLE + self.frontend.delay
        return self._ordered(self.frontend.gap(now, verdicts=max(0, int(now) - self._told)))

    def take(self, chunk: Chunk, gap: float) -> list[Item]:
        """The next chunk, which :meth:`fits`, ``gap`` seconds after the end of the one before."""
        items: list[Item] = []
        before: Output | None = None
        if gap > 0:
            self._break(before := Output(), gap)
        drift = chunk.t - (self.epoch + self.covered)
        if abs(drift) > DRIFT:
            items = self._ordered(before or Output())
            self.epoch += drift
            self.corrections += 1
            self.corrected = drift
            before = None
        self._samples += chunk.samples.shape[1]
        out = self.frontend.feed(self.selector.feed(self._rows(chunk)))
        if before is not None:
            _add(before, out)
            out = before
        return items + self._ordered(out)

    def _rows(self, chunk: Chunk) -> Samples:
        """Samples of ``chunk`` in the order of this stream's leads; missing ones are nobody's to watch."""
        if chunk.leads == self.leads:
            return chunk.samples
        rows = np.full((len(self.leads), chunk.samples.shape[1]), np.nan, dtype=np.float32)
        for row, name in enumerate(self.leads):
            if name in chunk.leads:
                rows[row] = chunk.samples[chunk.leads.index(name)]
        return rows

    def _break(self, out: Output, gap: float) -> None:
        """What follows comes ``gap`` seconds later; the detector begins anew."""
        self._seams.append(int(self.covered + ROUNDING))
        _add(out, self.frontend.feed(self.selector.flush()))
        _add(out, self.frontend.gap(gap))
        self._gaps += gap

    @property
    def covered(self) -> float:
        """Stream time that came in so far, gaps included, s."""
        return self._samples / self.fs + self._gaps

    def silent(self, now: float) -> list[Item]:
        """Nothing new has come until ``now`` (monotonic, s): says so once, when it was long enough."""
        settings = self.alerts.settings.stream_lost
        if self.lost or not settings.enabled or now - self.fed < settings.seconds:
            return []
        self.lost = True
        return [self._item(Silent(self.covered, now - self.fed))]

    def back(self, gap: float) -> list[Item]:
        """Something new comes, ``gap`` seconds after the end of what came before."""
        if not self.lost:
            return []
        self.lost = False
        return [self._item(Silent(self.covered + gap, 0.0))]

    def end(self) -> list[Item]:
        """Nothing more comes: what is complete, and the end itself."""
        out = self.frontend.feed(self.selector.flush())
        _add(out, self.frontend.flush())
        items = self._ordered(out, everything=True)
        items.append(self._item(End(self.frontend.now)))
        return items

    def save(self) -> dict[str, snapshot.Plain]:
        """As :class:`ecgmon.monitor.snapshot.Saveable`; right only between two chunks, when every item
        handed out has been handed on."""
        return snapshot.save_attributes(self, but=NOT_KEPT)

    def restore(self, saved: Mapping[str, snapshot.Plain]) -> None:
        """As :class:`ecgmon.monitor.snapshot.Saveable`."""
        snapshot.restore_attributes(self, saved, but=NOT_KEPT)
        self.lost = self.alerts.watch.lost.on

    def summary(self, t: float, epoch: float, *, live: bool) -> dict[str, Any]:
        """The stream's state as it is published (retained): plain values for JSON."""
        standing = self.alerts.standing.values()
        return {
            "schema": SCHEMA,
            "stream": self.name,
            "state": "ended" if not live else "lost" if self.lost else "live",
            "time": round(epoch + t, 3),
            "last_data": round(epoch + self.covered, 3),
            "lead": self.selector.lead,
            "fs": self.fs,
            "quality": self.verdict,
            "signal": self.alerts.watch.line.signal or "unknown",
            "heart_rate": self.alerts.watch.rate(t),
            "beats": self.beats,
            "odd_beats": self.odd_beats,
            "alerts": [_brief(alert) for alert in standing],
        }

    def _ordered(self, out: Output, *, everything: bool = False) -> list[Item]:
        """Beats at the moment they were complete, seconds when they are surely known."""
        for verdict in out.quality:
            second = verdict.second
            if second >= self._told:
                blind = (self._hasty and second < self._began + LEARNS) or second in self._seams
                self._held.append(replace(verdict, missing=True) if blind else verdict)
                self._told = second + 1
                if self._seams:
                    self._seams = [seam for seam in self._seams if seam >= self._told]
        items: list[Item] = []
        for beat in out.beats:
            if self._held:
                self._seconds_until(beat.ready, items)
            items.append(Item(self, beat, self.epoch, self.heard))
        if self._held:
            self._seconds_until(math.inf if everything else self.frontend.now, items)
        return items

    def _seconds_until(self, t: float, items: list[Item]) -> None:
        held = self._held
        while held and held[0].second + 1 + self._settle <= t:
            items.append(Item(self, held.pop(0), self.epoch, self.heard))

    def _item(self, what: Beat | Quality | Silent | End) -> Item:
        return Item(self, what, self.epoch, self.heard)


def gone(stream: str, time: float, last_data: float | None, fs: float | None) -> dict[str, Any]:
    """As :meth:`StreamState.summary`, of a stream of which little more is known than that it ended."""
    known = {"time": round(time, 3), "last_data": last_data, "lead": None, "fs": fs}
    rest = {"quality": "unknown", "signal": "unknown", "heart_rate": None, "beats": 0, "odd_beats": 0}
    return {"schema": SCHEMA, "stream": stream, "state": "ended", **known, **rest, "alerts": []}


def _add(out: Output, more: Output) -> None:
    out.beats += more.beats
    out.quality += more.quality


def _brief(alert: Alert) -> dict[str, Any]:
    return {"id": alert.id, "kind": alert.kind, "severity": alert.severity, "onset": alert.onset}
