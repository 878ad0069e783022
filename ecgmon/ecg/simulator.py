"""Simulated ECG that knows its own truth: two leads in mV, and what goes wrong at a bedside.

The signal is made in blocks of fixed length from generators of fixed seeds, so it depends on seed, patient
and rate alone, never on how it is asked for. Beats are placed in time first and drawn after: the same seed
gives the same beats at every rate. Values are rounded to 5 µV, as by the converter of MIT-BIH (200 units per
mV).

Artefacts: ``noise`` is muscle noise of 0.15 to 0.4 mV over the whole band; ``motion`` is the electrode
shifting, some bumps of 20 to 250 ms and up to 1.5 mV, the kind that detectors take for beats; ``lead-off`` is
the amplifier's rest line with no more than a unit of flicker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.simulated_events import (
    ARTEFACTS,
    BEAT_EVENTS,
    Event,
    EventRates,
    ScriptedEvent,
    TrueSpan,
    Truth,
    events,
)
from ecgmon.ecg.simulated_heart import AMPLITUDE, CENTRE, LEADS, WIDTH, DrawnBeat, Heart, patient
from ecgmon.ecg.types import Samples

BLOCK_SECONDS: Final = 4
UNITS_PER_MV: Final = 200

_AHEAD: Final = 0.5
"""A wave begins at most this long before its R-peak, s."""
_BEHIND: Final = 6.0
"""A beat, or a motion artefact, ends at most this long after its time, s."""
_WANDER_WEIGHTS: Final = np.array([[1.0], [0.7]])
_SLOW_HZ: Final = 0.047


class Simulator:
    """One patient's recording, endless.

    fs       samples per second, 50 to 10 000
    seed     chooses the ward; ``index`` chooses the patient in it
    truth    beats and spans so far, some seconds ahead of the samples; who never stops empties its lists
    """

    leads: Final = LEADS

    def __init__(
        self,
        fs: float,
        *,
        seed: int = 0,
        index: int = 0,
        rates: EventRates | None = None,
        script: Sequence[ScriptedEvent] = (),
    ) -> None:
        if not 50 <= fs <= 10_000:
            raise ValueError(f"a simulator runs at 50 to 10000 samples per second, not {fs}")
        rates = rates or EventRates()
        generators = [np.random.default_rng([seed, index, part]) for part in range(5)]
        self.fs = fs
        self.truth = Truth()
        self.patient = patient(generators[0])
        self._heart = Heart(
            self.patient, events(BEAT_EVENTS, rates, script, (seed, index, 10)), generators[1]
        )
        self._artefacts = events(ARTEFACTS, rates, script, (seed, index, 11))
        self._coming: Event | None = next(self._artefacts, None)
        self._shape, self._noise = generators[2], generators[3]
        self._phases = generators[4].uniform(0, 2 * math.pi, 3)
        self._density = math.sqrt(fs / 250)
        """White noise is given as its size in a band of 125 Hz; a faster converter sees more of it."""
        self._drawn: list[DrawnBeat] = []
        self._spans: list[tuple[TrueSpan, float]] = []
        self._blocks = 0

    def block(self) -> Samples:
        """The next 4 s: [2, n] in mV."""
        first, last = (round((self._blocks + more) * BLOCK_SECONDS * self.fs) for more in (0, 1))
        begin, end = first / self.fs, last / self.fs
        self._blocks += 1
        self._happen(end + _AHEAD)
        self._drawn += self._heart.until(end + _AHEAD, self.truth)
        self._drawn = [beat for beat in self._drawn if beat.t > begin - _BEHIND]
        out = self._background(first, last)
        if self._drawn:
            times = np.array([beat.t for beat in self._drawn])
            _draw(out, first, self.fs, times, np.stack([beat.waves for beat in self._drawn]))
        self._spans = [(span, size) for span, size in self._spans if span.end > begin]
        for span, size in self._spans:
            inside = slice(
                *(min(max(math.ceil(t * self.fs) - first, 0), last - first) for t in (span.start, span.end))
            )
            shape = out[:, inside].shape
            if span.kind == "noise":
                out[:, inside] += self._noise.standard_normal(shape) * (size * self._density)
            else:
                out[:, inside] = self._noise.standard_normal(shape) * 0.0015
        return (np.rint(out * UNITS_PER_MV) / UNITS_PER_MV).astype(np.float32)

    def _background(self, first: int, last: int) -> NDArray[np.float64]:
        """Noise of the amplifier, mains hum, and the baseline as breath and electrodes move it."""
        who = self.patient
        t = np.arange(first, last) / self.fs
        out = self._noise.standard_normal((len(LEADS), last - first))
        out *= who.noise * self._density
        wander = np.sin(2 * math.pi * who.respiration * t + self._phases[0])
        wander += 1.5 * np.sin(2 * math.pi * _SLOW_HZ * t + self._phases[1])
        out += who.wander * wander * _WANDER_WEIGHTS
        out += who.hum * np.sin(2 * math.pi * 50 * t + self._phases[2])
        return out

    def _happen(self, before: float) -> None:
        """Take up the artefacts that begin before this stream time."""
        while self._coming is not None and self._coming.at < before:
            event = self._coming
            self._coming = next(self._artefacts, None)
            span = TrueSpan(event.at, event.at + event.seconds, event.kind)
            self.truth.spans.append(span)
            if event.kind == "motion":
                self._drawn += self._motion(event)
            else:
                self._spans.append((span, float(self._shape.uniform(0.15, 0.4))))

    def _motion(self, event: Event) -> list[DrawnBeat]:
        """Bumps over the span, six for each begun two seconds."""
        bumps = []
        for start in np.arange(0.0, event.seconds, 2.0):
            room = min(2.0, event.seconds - float(start))
            waves = np.empty((len(LEADS), 6, 3))
            waves[:, :, AMPLITUDE] = self._shape.uniform(-1.5, 1.5, (len(LEADS), 6))
            waves[:, :, CENTRE] = self._shape.uniform(0.0, room, 6)
            waves[:, :, WIDTH] = np.exp(self._shape.uniform(math.log(0.02), math.log(0.25), 6))
            bumps.append(DrawnBeat(event.at + float(start), waves))
        return bumps


def simulate(
    seconds: float,
    fs: float,
    *,
    seed: int = 0,
    index: int = 0,
    rates: EventRates | None = None,
    script: Sequence[ScriptedEvent] = (),
) -> tuple[Samples, Truth]:
    """A finite recording, [2, round(seconds * fs)] in mV, and the truth about it."""
    simulator = Simulator(fs, seed=seed, index=index, rates=rates, script=script)
    wanted = round(seconds * fs)
    blocks: list[Samples] = []
    while sum(block.shape[1] for block in blocks) < wanted:
        blocks.append(simulator.block())
    samples = np.concatenate(blocks, axis=1)[:, :wanted] if blocks else np.empty((len(LEADS), 0), np.float32)
    return samples, until(simulator.truth, seconds)


def until(truth: Truth, end: float) -> Truth:
    """What of ``truth`` lies before stream time ``end``, s, in order of time; spans are cut there."""
    spans = [TrueSpan(s.start, min(s.end, end), s.kind) for s in truth.spans if s.start < end]
    return Truth([beat for beat in truth.beats if beat.t < end], sorted(spans, key=lambda span: span.start))


@compiled
def _draw(out: NDArray[np.float64], first: int, fs: float, times: NDArray[np.float64], waves: Any) -> None:
    """Add each beat's Gaussians to ``out`` [leads, n], whose first sample has the number ``first``.

    Each reaches 5 standard deviations to either side: what lies beyond is 4e-6 of its height.
    """
    n = out.shape[1]
    for beat in range(waves.shape[0]):
        for lead in range(waves.shape[1]):
            for wave in range(waves.shape[2]):
                height = waves[beat, lead, wave, 0]
                centre = times[beat] + waves[beat, lead, wave, 1]
                width = waves[beat, lead, wave, 2]
                start = max(0, math.ceil((centre - 5 * width) * fs) - first)
                stop = min(n, math.floor((centre + 5 * width) * fs) + 1 - first)
                for k in range(start, stop):
                    z = ((first + k) / fs - centre) / width
                    out[lead, k] += height * math.exp(-0.5 * z * z)
