"""Hearts to simulate: each patient's wave forms and rhythm, drawn from a seed.

A beat is a sum of Gaussians placed around its R-peak, as the waves P, Q, R, S, T of McSharry PE, Clifford GD,
Tarassenko L, Smith LA, "A dynamical model for generating synthetic electrocardiogram signals", IEEE Trans
Biomed Eng 50(3):289-294 (2003). Deviations: the Gaussians are placed in time instead of on a limit cycle that
is integrated, so a stretch can be drawn without what came before, and a wide ectopic beat is no distortion of
a normal one; T is made of two Gaussians, since a real T falls more steeply than it rises; QT follows the
square root of RR (Bazett 1920). RR intervals vary with respiration (0.15 to 0.35 Hz), with the 0.1 Hz waves
of blood pressure, and drift over minutes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.simulated_events import Event, Symbol, TrueBeat, TrueSpan, Truth

LEADS: Final = ("II", "V1")

# Amplitude (mV), centre (s from the R-peak) and width (standard deviation, s) of each Gaussian.
_NORMAL: Final = np.array([
    # P, Q, R | S, T rising, T falling
    [[0.13, -0.165, 0.024], [-0.10, -0.027, 0.009], [1.15, 0.0, 0.0115],
     [-0.22, 0.029, 0.011], [0.20, 0.255, 0.050], [0.14, 0.300, 0.030]],
    [[0.05, -0.165, 0.020], [0.0, -0.027, 0.009], [0.25, -0.004, 0.010],
     [-0.95, 0.020, 0.0130], [-0.06, 0.255, 0.050], [-0.04, 0.300, 0.030]],
])  # fmt: skip
"""[leads, 6, 3]: QRS about 90 ms, PR about 160 ms, QT about 380 ms at 60 beats per minute."""

_VENTRICULAR: Final = np.array([
    # no P, onset, first half of the QRS | second half, T against the QRS in two
    [[0.0, -0.165, 0.024], [0.45, -0.045, 0.022], [1.35, 0.0, 0.029],
     [-0.55, 0.085, 0.034], [-0.42, 0.290, 0.060], [-0.22, 0.350, 0.040]],
    [[0.0, -0.165, 0.024], [-0.25, -0.045, 0.022], [1.10, 0.0, 0.031],
     [0.35, 0.070, 0.032], [-0.35, 0.290, 0.060], [-0.20, 0.350, 0.040]],
])  # fmt: skip
"""[leads, 6, 3]: QRS about 150 ms, no P, T opposite to the QRS."""

P, Q, R, S, T1, T2 = range(6)
AMPLITUDE, CENTRE, WIDTH = range(3)
Waves = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient: wave forms [leads, 6, 3] and what the rhythm does."""

    normal: Waves
    atrial: Waves
    ventricular: Waves
    rr: float
    """Mean RR interval, s."""
    respiration: float
    """Breaths, Hz."""
    wander: float
    """Size of the baseline's wander, mV."""
    noise: float
    """Standard deviation of muscle and amplifier noise, mV."""
    hum: float
    """Amplitude of mains hum at 50 Hz, mV."""


def patient(rng: np.random.Generator) -> Patient:
    """Draw a patient: 55 to 95 beats per minute, R-peak 0.7 to 1.9 mV in II, some with inverted PVCs."""
    normal = _NORMAL.copy()
    normal[:, :, AMPLITUDE] *= rng.uniform(0.75, 1.45) * rng.uniform(0.85, 1.15, (len(LEADS), 6))
    normal[:, :, WIDTH] *= rng.uniform(0.9, 1.12) * rng.uniform(0.95, 1.05, (1, 6))
    normal[:, P, AMPLITUDE] *= rng.uniform(0.8, 1.3)
    normal[:, P, CENTRE] += rng.uniform(-0.02, 0.015)
    normal[:, T1:, AMPLITUDE] *= rng.uniform(0.6, 1.4)
    normal[:, T1:, CENTRE] += rng.uniform(-0.015, 0.015)
    atrial = normal.copy()
    atrial[:, P, AMPLITUDE] *= rng.choice([-0.8, 0.7])
    atrial[:, P, CENTRE] += rng.uniform(0.01, 0.03)
    ventricular = _VENTRICULAR.copy()
    ventricular[:, :, AMPLITUDE] *= rng.uniform(0.8, 1.3) * rng.choice([-1.0, 1.0, 1.0, 1.0, 1.0])
    ventricular[:, :, WIDTH] *= rng.uniform(0.9, 1.2)
    return Patient(
        normal, atrial, ventricular,
        rr=60 / rng.uniform(55, 95), respiration=rng.uniform(0.18, 0.32), wander=rng.uniform(0.02, 0.10),
        noise=rng.uniform(0.006, 0.020), hum=rng.uniform(0.0, 0.006),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class DrawnBeat:
    """A beat to be drawn: ``waves`` [leads, 6, 3] around stream time ``t``, s."""

    t: float
    waves: Waves


class Heart:
    """Beats of one patient in order of time, and the truth about them."""

    def __init__(self, who: Patient, happenings: Iterator[Event], rng: np.random.Generator) -> None:
        self._who = who
        self._happenings = happenings
        self._event = next(happenings, None)
        self._rng = rng
        self._phases = rng.uniform(0, 2 * math.pi, 2)
        self._depths = rng.uniform([0.015, 0.01], [0.05, 0.03])
        self._drift = 0.0
        self._sinus = float(rng.uniform(-0.5, 0.0))
        self._forced_rr = 0.0
        self._forced_until = -1.0

    def until(self, t: float, truth: Truth) -> list[DrawnBeat]:
        """Beats of sinus intervals that begin before ``t`` (the last may lie behind), told to ``truth``."""
        drawn: list[DrawnBeat] = []
        while self._sinus < t:
            self._interval(drawn, truth)
        return drawn

    def _interval(self, drawn: list[DrawnBeat], truth: Truth) -> None:
        """One interval of the sinus node, or what an event makes of it; moves its last discharge on."""
        last, rr = self._sinus, self._sinus_rr()
        event = self._due(last + rr)
        kind = None if event is None else event.kind
        if event is None or kind in {"bradycardia", "tachycardia"}:
            if event is not None:
                self._forced_rr = 60 / (event.rate or (36.0 if kind == "bradycardia" else 155.0))
                self._forced_until = last + event.seconds
                truth.spans.append(TrueSpan(last, last + event.seconds, event.kind))
            self._sinus = last + (rr if event is None else self._sinus_rr())
            self._normal(self._sinus, rr, drawn, truth)
        elif kind in {"pause", "asystole", "standstill"}:
            if kind == "standstill":
                self._unconducted(last, event.seconds, rr, drawn)
            self._sinus = last + max(event.seconds, rr)
            truth.spans.append(TrueSpan(last, self._sinus, event.kind))
            self._normal(self._sinus, rr, drawn, truth)
        elif kind == "pac":  # resets the sinus node: the pause after it is not compensatory
            self._sinus = last + max(0.34, rr * self._rng.uniform(0.58, 0.76))
            self._emit(self._sinus, "A", self._who.atrial, drawn, truth)
        else:
            self._ventricular(event, last, rr, drawn, truth)

    def _ventricular(
        self, event: Event, last: float, rr: float, drawn: list[DrawnBeat], truth: Truth
    ) -> None:
        """One PVC with its compensatory pause (a sinus beat falls away), or a run of at least three."""
        first = last + max(0.36, rr * self._rng.uniform(0.52, 0.72))
        self._emit(first, "V", self._who.ventricular, drawn, truth)
        if event.kind == "pvc":
            self._sinus = max(last + rr, first + 0.2)
            return
        interval, at = self._rng.uniform(0.34, 0.44), first
        for _ in range(max(2, round(event.seconds / interval) - 1)):
            at += interval * self._rng.uniform(0.96, 1.04)
            self._emit(at, "V", self._who.ventricular, drawn, truth)
        truth.spans.append(TrueSpan(first, at, "run"))
        self._sinus = at + 0.3 * rr

    def _unconducted(self, last: float, seconds: float, rr: float, drawn: list[DrawnBeat]) -> None:
        """P waves alone, one each interval of the sinus node."""
        waves = np.zeros_like(self._who.normal)
        waves[:, :, WIDTH] = self._who.normal[:, :, WIDTH]
        waves[:, P] = self._who.normal[:, P]
        drawn += [DrawnBeat(last + i * rr, waves) for i in range(1, int(seconds / rr))]

    def _normal(self, t: float, rr: float, drawn: list[DrawnBeat], truth: Truth) -> None:
        waves = self._who.normal.copy()
        stretch = min(max(math.sqrt(rr), 0.72), 1.12)
        waves[:, T1:, CENTRE] *= stretch
        waves[:, T1:, WIDTH] *= stretch
        self._emit(t, "N", waves, drawn, truth)

    def _emit(self, t: float, symbol: Symbol, waves: Waves, drawn: list[DrawnBeat], truth: Truth) -> None:
        breath = 1 + 0.05 * math.sin(2 * math.pi * self._who.respiration * t + self._phases[0])
        varied = waves.copy()
        varied[:, :, AMPLITUDE] *= breath * self._rng.normal(1.0, 0.03, 6)
        drawn.append(DrawnBeat(t, varied))
        truth.beats.append(TrueBeat(t, symbol))

    def _sinus_rr(self) -> float:
        """The next sinus interval, s: mean, breath, 0.1 Hz wave, drift over minutes, and 1 % jitter."""
        t = self._sinus
        if t < self._forced_until:
            return self._forced_rr * float(self._rng.normal(1.0, 0.01))
        self._drift += -0.01 * self._drift + float(self._rng.normal(0.0, 0.006))
        breath = self._depths[0] * math.sin(2 * math.pi * self._who.respiration * t + self._phases[0])
        mayer = self._depths[1] * math.sin(2 * math.pi * 0.1 * t + self._phases[1])
        factor = 1 + breath + mayer + self._drift + float(self._rng.normal(0.0, 0.01))
        return float(self._who.rr * min(max(factor, 0.7), 1.35))

    def _due(self, before: float) -> Event | None:
        if self._event is None or self._event.at >= before:
            return None
        event, self._event = self._event, next(self._happenings, None)
        return event
