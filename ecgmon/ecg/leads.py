"""Which of a recording's leads to watch."""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg.frontend import Frontend
from ecgmon.ecg.types import Samples
from ecgmon.errors import DataError

LOOK: Final = 10.0
"""Seconds that ``auto`` looks at before it chooses."""

CLEARLY: Final = 0.3
"""Another lead than the first must be better by so much of :func:`figure`: 15 % more good seconds, say. The
first lead of a recording is what its makers watch and what models are trained on; among leads of good signal,
size and sharpness do not tell which one shows all beats."""


class LeadSelector:
    """Takes one lead out of several.

    ``wanted`` is a lead's name, its index as text, or ``auto``: the first lead, unless the signal of another
    is clearly better in the first 10 s, which are held back until the choice is made and then handed on
    whole.
    :class:`ecgmon.errors.DataError` when there is no such lead.
    """

    def __init__(self, wanted: str, fs: float, leads: tuple[str, ...]) -> None:
        if not leads:
            raise DataError("the stream has no leads")
        self._fs = fs
        self._leads = leads
        self._held: list[Samples] = []
        self._seconds = 0.0
        self._row: int | None = 0 if wanted == "auto" and len(leads) == 1 else None
        if wanted != "auto":
            self._row = _find(wanted, leads)

    @property
    def lead(self) -> str | None:
        """Name of the lead; None while ``auto`` has not chosen."""
        return None if self._row is None else self._leads[self._row]

    def feed(self, samples: Samples) -> Samples:
        """[leads, n] to [m]: the chosen lead, nothing while samples are held back."""
        if samples.ndim != 2 or samples.shape[0] != len(self._leads):
            raise DataError(f"samples of shape {samples.shape} for {len(self._leads)} leads")
        if self._row is not None:
            return np.asarray(samples[self._row], dtype=np.float32)
        self._held.append(samples)
        self._seconds += samples.shape[1] / self._fs
        return self.flush() if self._seconds >= LOOK else np.empty(0, dtype=np.float32)

    def flush(self) -> Samples:
        """The stream ended or is interrupted: choose now and hand on what is held back."""
        if not self._held:
            return np.empty(0, dtype=np.float32)
        held = np.concatenate(self._held, axis=1)
        self._held.clear()
        if self._row is None:
            look = held[:, : round(LOOK * self._fs)]
            figures = [figure(lead, self._fs) for lead in look]
            self._row = next(i for i, merit in enumerate(figures) if merit >= max(figures) - CLEARLY)
        return np.asarray(held[self._row], dtype=np.float32)


def figure(x: Samples, fs: float) -> float:
    """Figure of merit of a lead: share of good seconds first, then how far its beats stand out of what
    lies between.

    Nothing here depends on amplitude or polarity. A lead without beats gets the share alone.
    """
    frontend = Frontend(fs)
    out = frontend.feed(x)
    rest = frontend.flush()
    seconds = out.quality + rest.quality
    if not seconds:
        return 0.0
    share = sum(q.good for q in seconds) / len(seconds)
    windows = [beat.window for beat in out.beats + rest.beats]
    if not windows:
        return share
    sizes = [float(np.ptp(w[84:103])) for w in windows]
    spread = [float(np.std(np.diff(np.concatenate((w[:70], w[117:]))))) for w in windows]
    stand_out = float(np.median(sizes)) / (float(np.median(spread)) + 1e-6)
    return 2.0 * share + 1.0 - 1.0 / (1.0 + stand_out / 20.0)


def _find(wanted: str, leads: tuple[str, ...]) -> int:
    if wanted in leads:
        return leads.index(wanted)
    folded = [lead.casefold() for lead in leads]
    if wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    if wanted.isascii() and wanted.isdigit() and int(wanted) < len(leads):
        return int(wanted)
    known = ", ".join(f"{i} {lead}" for i, lead in enumerate(leads))
    raise DataError(f"no lead '{wanted}'; there are: {known}")
