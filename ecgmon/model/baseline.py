"""What is normal for one patient: reference beat, usual errors, and how far a beat departs from both.

A reconstruction error by itself says little: one patient's healthy beat is drawn worse than another's
extrasystole. So each stream keeps a baseline, and a beat is judged against it:

* The *reference* is a running average of the patient's own good and unsuspicious beats, started with the
median of
  the first five. The autoencoder restores a beat with the reference beside it.
* The error of the restoration is measured in three *parts* of the beat (before, in and after the QRS
complex), the
  prematurity of its RR interval is a fourth. Each becomes a z-value: standard deviations from what this
  patient's beats usually show. Location and spread begin at the population's and move to the patient's by
  degrees, within limits, so that a sick patient is not learned as normal.
* The score is the root of the weighted mean of the squared z-values, counted where they are above zero.
* A beat enters the baseline only if its score is low. If next to nothing is accepted for several hundred
beats, the
  rhythm has changed for good, and the baseline starts anew.

A stream's baseline is one array of floats, and one compiled call takes it over a beat. The reference that
beats are restored with is a *snapshot*, renewed at fixed counts of beats: all beats up to the next snapshot
can be restored in one batch, and the scores do not depend on how beats were batched.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.fingerprints import fingerprint_of
from ecgmon.ecg.types import R_INDEX, WINDOW, Layout, Samples
from ecgmon.errors import DataError

Floats = NDArray[np.float64]

PARTS: Final = ("pre_qrs", "qrs", "st_t", "rhythm")
"""Before the QRS (P wave), the QRS complex, ST segment and T wave, prematurity of the RR interval."""

WEIGHTS: Final = np.array([1.0, 2.0, 1.0, 2.0])
"""Chosen on DS1, folds by patient."""

REGIONS: Final[dict[Layout, NDArray[np.int64]]] = {
    "centred": np.array(
        [[R_INDEX - 38, R_INDEX - 12], [R_INDEX - 12, R_INDEX + 13], [R_INDEX + 13, R_INDEX + 50]]
    ),
    "kachuee": np.array([[0, 0], [0, 13], [13, 50]]),
}
"""First and past-the-end sample of the three shapes; windows of layout ``kachuee`` begin at the R-peak."""

MAX_SHIFT: Final[dict[Layout, int]] = {"centred": 3, "kachuee": 0}
"""How far (samples) a beat may be moved to lie best on the reference: the R-peak's own jitter."""

BOOT: Final = 16
"""Beats before there is a reference."""
STARTERS: Final = 5
"""The least odd of them, whose median starts it."""
CLIP: Final = 8.0
"""Largest z-value and largest normalised sample: one lost electrode must not outweigh a thousand beats."""
ACCEPT: Final = 1.9
"""A beat with a lower score enters the baseline."""
SLOWEST: Final = 1 / 200
"""Smallest step of the reference towards a beat: it follows changes over a few minutes."""
SLOWEST_SPREAD: Final = 1 / 500
TRUST: Final = 30.0
"""Accepted beats after which the patient's own location and spread weigh as much as the population's."""
MAX_DRIFT: Final = 1.0
"""The patient's location may leave the population's by this many standard deviations between patients."""
MIN_SPREAD: Final = 0.7
MAX_SPREAD: Final = 2.5
"""Limits of the patient's own spread, in units of the population's."""
PATIENCE: Final = 128.0
GIVE_UP: Final = 0.03
"""Below this share of accepted beats, a running mean over ``PATIENCE``, the baseline starts anew."""

DESIGN: Final = 1
"""Of the score, for :func:`fingerprint`."""
K: Final = len(PARTS)
VERSION: Final = 1
_VERSION, _SEEN, _ACCEPTED, _SHARE = 0, 1, 2, 3
_LOCATION: Final = 4
_SPREAD: Final = _LOCATION + K
_REFERENCE: Final = _SPREAD + K
_SNAPSHOT: Final = _REFERENCE + WINDOW
_FIRST: Final = _SNAPSHOT + WINDOW
_ODDNESS: Final = _FIRST + STARTERS * WINDOW
_SIZE: Final = _ODDNESS + STARTERS

COLD_MEAN, COLD_SD, MEAN, SD, BETWEEN = range(5)
"""Rows of the population's statistics [5, 4]: mean and within-patient spread of each part for beats without a
reference; the same with one; spread of the mean between patients."""


def _fresh() -> Floats:
    state = np.zeros(_SIZE)
    state[_VERSION] = VERSION
    state[_SHARE] = 1.0
    return state


def fingerprint() -> str:
    """A short hash over every constant of the score: a calibration belongs to the score it was made with.

    A change of the algorithm that changes no constant must change ``DESIGN``.
    """
    return fingerprint_of(DESIGN, sys.modules[__name__])


@dataclass(slots=True, eq=False)
class Baseline:
    """One stream's baseline; 12 KB. Hand the same object in with each of the stream's beats."""

    state: Floats = field(default_factory=_fresh)

    @property
    def accepted(self) -> int:
        """Beats that the baseline has learned from."""
        return int(self.state[_ACCEPTED])

    @property
    def warm(self) -> bool:
        """There is a reference beat."""
        return bool(self.state[_SEEN] >= BOOT)

    @property
    def reference(self) -> Samples:
        """[187] the reference that the next beat is restored with, in units of the stream's scale."""
        return self.state[_SNAPSHOT : _SNAPSHOT + WINDOW].astype(np.float32)

    def room(self) -> int:
        """How many beats may be restored before the snapshot is renewed; at least 1."""
        return room(int(self.state[_SEEN]))

    def to_bytes(self) -> bytes:
        """For storage; little-endian float64."""
        return self.state.astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """The inverse of :meth:`to_bytes`; :class:`DataError` if it is not a baseline of this version."""
        if len(raw) != _SIZE * 8:
            raise DataError(
                f"a stored baseline has {len(raw)} bytes instead of {_SIZE * 8}; the stream must learn anew"
            )
        state = np.frombuffer(raw, "<f8").astype(np.float64)
        if state[_VERSION] != VERSION or not np.isfinite(state).all():
            raise DataError("a stored baseline is damaged or of another version; the stream must learn anew")
        return cls(state)


@compiled
def room(seen: int) -> int:
    """Beats until the snapshot is renewed: after 16, then every 8, from 32 on every 32."""
    if seen < BOOT:
        return BOOT - seen
    return 8 - seen % 8 if seen < 32 else 32 - seen % 32


@compiled
def prepare(
    state: Floats, window: Samples, scale: float, max_shift: int, qrs: tuple[int, int], x: Samples
) -> int:
    """Normalise a window and lay it on the reference.

    Fills ``x`` [187]: window minus its median, in units of ``scale``, moved by the returned number of samples
    so that the QRS complex (samples ``qrs``) lies best on the reference. ``scale`` 0 keeps the window as it
    is.
    """
    if scale > 0:
        middle = np.median(window)
        for j in range(WINDOW):
            x[j] = min(max((window[j] - middle) / scale, -CLIP), CLIP)
    else:
        x[:] = window
    if state[_SEEN] < BOOT or max_shift == 0:
        return 0
    best, shift = np.inf, 0
    for step in range(2 * max_shift + 1):
        by = (
            (step + 1) // 2 if step % 2 else -(step // 2)
        )  # 0, 1, -1, 2, -2 ...: a tie keeps the smaller move
        distance = 0.0
        for j in range(qrs[0], qrs[1]):
            error = x[j + by] - state[_SNAPSHOT + j]
            distance += error * error
        if distance < best:
            best, shift = distance, by
    if shift != 0:
        moved = x.copy()
        for j in range(WINDOW):
            x[j] = moved[min(max(j + shift, 0), WINDOW - 1)]
    return shift


@compiled
def measure(x: Samples, restored: Samples, regions: NDArray[np.int64], early: float, raw: Floats) -> None:
    """Fill ``raw`` [4]: log root-mean-square errors of the three shapes and prematurity; NaN where undefined.

    Before and after the QRS complex the error is taken without its mean, which is baseline wander.
    """
    for k in range(K - 1):
        first, end = regions[k, 0], regions[k, 1]
        if end <= first:
            raw[k] = np.nan
            continue
        total, squares = 0.0, 0.0
        for j in range(first, end):
            error = np.float64(x[j]) - np.float64(restored[j])
            total += error
            squares += error * error
        n = end - first
        variance = squares / n
        if k != 1:
            variance -= (total / n) ** 2
        raw[k] = np.log(np.sqrt(max(variance, 0.0)) + 0.01)
    raw[K - 1] = early


@compiled
def advance(state: Floats, population: Floats, weights: Floats, x: Samples, raw: Floats, z: Floats) -> float:
    """Score a beat against the baseline and learn from it if it is unsuspicious.

    ``raw`` [4] from :func:`measure`. Fills ``z`` [4] (0 where undefined) and returns the score, 0..8.
    ``population`` has shape [5, 4].
    """
    warm = state[_SEEN] >= BOOT
    trust = state[_ACCEPTED] / (state[_ACCEPTED] + TRUST) if warm else 0.0
    total, weight = 0.0, 0.0
    for k in range(K):
        z[k] = 0.0
        if np.isnan(raw[k]):
            continue
        if warm:
            drift = MAX_DRIFT * population[BETWEEN, k]
            mean = population[MEAN, k] + trust * min(
                max(state[_LOCATION + k] - population[MEAN, k], -drift), drift
            )
            usual = population[SD, k]
            sd = np.sqrt((1.0 - trust) * usual * usual + trust * state[_SPREAD + k])
            sd = min(max(sd, MIN_SPREAD * usual), MAX_SPREAD * usual)
        else:
            mean, sd = population[COLD_MEAN, k], population[COLD_SD, k]
        z[k] = (raw[k] - mean) / sd
        counted = min(max(z[k], 0.0), CLIP)
        total += weights[k] * counted * counted
        weight += weights[k]
    score = np.sqrt(total / weight) if weight > 0 else 0.0
    _learn(state, population, x, raw, warm, score)
    return float(score)


@compiled
def _learn(state: Floats, population: Floats, x: Samples, raw: Floats, warm: bool, score: float) -> None:
    """Take the beat into the baseline, and renew the snapshot when it is time."""
    seen = int(state[_SEEN])
    if warm:
        unsuspicious = score < ACCEPT
        state[_SHARE] += ((1.0 if unsuspicious else 0.0) - state[_SHARE]) / PATIENCE
        if unsuspicious:
            _follow(state, x, raw)
    else:
        _collect(state, x, score, seen)
        if seen == BOOT - 1:
            _boot(state, population)
    renew = room(seen) == 1
    state[_SEEN] += 1.0
    if renew:
        state[_SNAPSHOT : _SNAPSHOT + WINDOW] = state[_REFERENCE : _REFERENCE + WINDOW]
        # Here only: beats that were restored together must have met one and the same reference.
        if state[_SHARE] < GIVE_UP:
            state[_SEEN] = state[_ACCEPTED] = 0.0
            state[_SHARE] = 1.0


@compiled
def _collect(state: Floats, x: Samples, score: float, seen: int) -> None:
    """Keep the beat if it is among the least odd so far."""
    place = seen
    if seen >= STARTERS:
        place = int(np.argmax(state[_ODDNESS : _ODDNESS + STARTERS]))
        if score >= state[_ODDNESS + place]:
            return
    state[_ODDNESS + place] = score
    state[_FIRST + place * WINDOW : _FIRST + (place + 1) * WINDOW] = x


@compiled
def _boot(state: Floats, population: Floats) -> None:
    """Start the reference with the median of the starters, location and spread with the population's."""
    for j in range(WINDOW):
        state[_REFERENCE + j] = np.median(state[_FIRST + j : _ODDNESS : WINDOW])
    for k in range(K):
        state[_LOCATION + k] = population[MEAN, k]
        state[_SPREAD + k] = population[SD, k] ** 2


@compiled
def _follow(state: Floats, x: Samples, raw: Floats) -> None:
    """Move reference, location and spread towards a beat: means at first, then slowly forgetting ones."""
    state[_ACCEPTED] += 1.0
    n = state[_ACCEPTED]
    step = max(1.0 / (STARTERS + n), SLOWEST)
    for j in range(WINDOW):
        state[_REFERENCE + j] += step * (x[j] - state[_REFERENCE + j])
    step = max(1.0 / (1.0 + n), SLOWEST_SPREAD)
    for k in range(K):
        if not np.isnan(raw[k]):
            off = raw[k] - state[_LOCATION + k]
            state[_LOCATION + k] += step * off
            state[_SPREAD + k] += step * (off * off - state[_SPREAD + k])
