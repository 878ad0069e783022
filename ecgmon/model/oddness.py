"""How odd a beat is for this patient: the score, from its parts and the stream's baseline.

A reconstruction error by itself says little: one patient's healthy beat is drawn worse than another's
extrasystole. So each part of the beat (:mod:`ecgmon.model.parts`) becomes a z-value: standard deviations from
what this patient's beats usually show. Location and spread begin at the population's and move to the
patient's by degrees, within limits, so that a sick patient is not learned as normal. The limits of the
rhythm's spread are the narrowest: a heart whose extrasystoles outnumber its sinus beats is irregular, and
must not be forgiven for it.

Before and after the QRS complex a z-value counts less what the last beats had in common, as far as the
rhythm is irregular: where the atria fibrillate, waves between the complexes and missing P waves are no news
of this one beat. In a regular rhythm nothing is taken off, or a run of supraventricular beats would soon be
usual.

The score is the root of the weighted mean of the squared z-values, counted where they are above zero,
relative to what is usual of this patient (the level), again by degrees and within limits: a threshold then
flags about the same share of everybody's normal beats. The *plain* score is the same without what was taken
off and without the level. It decides what the baseline learns from, and the level is its usual value.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ecgmon.config import Settings
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.fingerprints import fingerprint_of
from ecgmon.ecg.rr import median
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model import baseline, learning, parts
from ecgmon.model.baseline import (
    A_LATELY,
    A_LOCATION,
    A_SNAPSHOTS,
    A_SPREAD,
    BOOT,
    LATELY,
    V_ACCEPTED,
    V_LEVEL,
    V_SEEN,
    V_SHOWN,
)
from ecgmon.model.learning import learn
from ecgmon.model.parts import QRS, RHYTHM, Floats, K, lie_on, move, normalise

WEIGHTS: Final = np.array([0.7, 2.0, 1.0, 2.5])
"""Of the parts. Chosen on DS1, folds by patient, like all below."""
HIGHEST: Final = 8.0
"""Largest z-value that counts."""
TRUST: Final = 30.0
"""Accepted beats after which the patient's own location and spread weigh as much as the population's."""
MAX_RISE: Final = np.array([2.0, 2.0, 2.0, 1.0])
MAX_FALL: Final = np.array([2.0, 2.0, 2.0, 8.0])
"""The patient's location may leave the population's by this many standard deviations between patients, up and
down. Of the rhythm it may fall far: where the beats that are learned come late, those in time are early. But
it hardly rises, or beats that come early would become usual."""
MIN_SPREAD: Final = np.array([0.7, 0.7, 0.7, 0.6])
MAX_SPREAD: Final = np.array([2.5, 2.5, 2.5, 0.8])
"""Limits of the patient's own spread, in units of the population's."""
BELIEVED: Final = 0.5
"""Share of what the autoencoder adds to the reference that counts as restored: it explains some of what makes
a normal beat differ from its reference, and a little of what makes an odd one."""
LEVEL: Final = 0.7
"""Exponent of population's over patient's level: 1 would make all patients' medians equal."""
LEVEL_TRUST: Final = 100.0
"""Accepted beats after which it has half its effect."""
LEAST_LEVEL: Final = 0.9
MOST_LEVEL: Final = 1.4
"""Limits of its effect on the score."""

DESIGN: Final = 4
"""Of the score, for :func:`fingerprint`."""

COLD_MEAN, COLD_SD, MEAN, SD, BETWEEN = range(5)
"""Rows of the population's statistics [5, 4]: mean and within-patient spread of each part for beats without a
reference; the same with one; spread of the mean between patients."""

_OWN, _SECOND, _LEVEL = K, K + 1, K + 2


class ScoreSettings(Settings, frozen=True):
    """What the score is made of; each part can be left out, to see what it is worth."""

    rhythm: bool = True
    """Prematurity counts, not only the shape."""
    own_spread: bool = True
    """Location and spread of each part move to the patient's own; otherwise the population's hold for all."""
    second_reference: bool = True
    """A patient may have two shapes of normal beat."""
    own_level: bool = True
    """The score is relative to the patient's usual one."""

    def rule(self) -> Floats:
        """As the compiled step wants it: weights [4], then a number for each of the other switches."""
        weights = WEIGHTS.copy()
        weights[RHYTHM] *= self.rhythm
        return np.array([*weights, self.own_spread, self.second_reference, LEVEL * self.own_level])


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """What normal beats of many patients show.

    parts   [5, 4], rows as above
    level   usual plain score, > 0
    """

    parts: Floats
    level: float

    def tensors(self) -> dict[str, NDArray[np.float64]]:
        """As arrays for the bundle."""
        return {"population": self.parts, "level": np.array([self.level])}

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[np.float64]]) -> Self:
        """The inverse of :meth:`tensors`. Raises :class:`ValueError` where they are not a population's."""
        population, level = tensors.get("population"), tensors.get("level")
        if population is None or population.shape != (5, K) or level is None or level.shape != (1,):
            raise ValueError("lacks the statistics of normal beats")
        spreads = population[[COLD_SD, SD]]
        if not ((spreads > 0).all() and (population[BETWEEN] >= 0).all() and level[0] > 0):
            raise ValueError("has statistics of normal beats with a spread or level that is not above 0")
        return cls(population.astype(np.float64), float(level[0]))


GUESS: Final = Population(
    np.array(
        [
            [-2.9, -2.3, -2.5, 0.0],
            [0.5, 0.5, 0.5, 0.07],
            [-3.7, -2.6, -3.4, 0.0],
            [0.3, 0.37, 0.33, 0.07],
            [0.36, 0.39, 0.53, 0.025],
        ]
    ),
    0.5,
)
"""Statistics to begin the fit with, and for restoring without an autoencoder: rough errors of DS1's normal
beats against their patient's reference."""


def fingerprint() -> str:
    """A short hash over the constants of the score: a calibration belongs to the score it was made with.

    A change of the algorithm that changes no constant must change ``DESIGN``.
    """
    return fingerprint_of(DESIGN, parts, baseline, learning, sys.modules[__name__])


@compiled
def prepare(
    state: Floats, window: Samples, scale: float, max_shift: int, qrs: tuple[int, int], x: Samples
) -> tuple[int, int, float]:
    """Normalise a window and lay it on the nearer reference: (samples moved by, which reference, median).

    Fills ``x`` [187]: window minus its median, in units of ``scale`` (0 keeps it as it is), moved so that the
    QRS complex (samples ``qrs``) lies best on the reference.
    """
    middle = normalise(window, scale, x)
    if state[V_SEEN] < BOOT:
        return 0, 0, middle
    first = state[A_SNAPSHOTS : A_SNAPSHOTS + WINDOW]
    shift, distance = lie_on(x, first, max_shift, qrs)
    which = 0
    if state[V_SHOWN] > 0.0:
        second = state[A_SNAPSHOTS + WINDOW : A_SNAPSHOTS + 2 * WINDOW]
        other, nearer = lie_on(x, second, max_shift, qrs)
        if nearer < distance:
            shift, which = other, 1
    move(x, shift)
    return shift, which, middle


@compiled
def advance(
    state: Floats, population: Floats, level: float, rule: Floats, qrs: tuple[int, int],
    x: Samples, rr: float, fibrillating: float, raw: Floats, which: int, z: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Score a beat against the baseline and learn from it if it is unsuspicious: (score, plain score).

    ``rr`` is the beat's RR interval, s, ``fibrillating`` 0 in a regular rhythm to 1, ``raw`` [4] from
    :func:`ecgmon.model.parts.measure`, ``which`` from :func:`prepare`, ``rule`` from
    :meth:`ScoreSettings.rule`, ``population`` [5, 4]. Fills ``z`` [4] (0 where undefined). The plain score is
    0 to 8.
    """
    warm = state[V_SEEN] >= BOOT
    trust = rule[_OWN] * state[V_ACCEPTED] / (state[V_ACCEPTED] + TRUST) if warm else 0.0
    total, plain_total, weight = 0.0, 0.0, 0.0
    for k in range(K):
        z[k] = 0.0
        weight += rule[k]
        if np.isnan(raw[k]):
            continue
        if warm:
            between = population[BETWEEN, k]
            own = state[A_LOCATION + k] - population[MEAN, k]
            mean = population[MEAN, k] + trust * min(max(own, -MAX_FALL[k] * between), MAX_RISE[k] * between)
            usual = population[SD, k]
            sd = np.sqrt((1.0 - trust) * usual * usual + trust * state[A_SPREAD + k])
            sd = min(max(sd, MIN_SPREAD[k] * usual), MAX_SPREAD[k] * usual)
        else:
            mean, sd = population[COLD_MEAN, k], population[COLD_SD, k]
        z[k] = (raw[k] - mean) / sd
        common = _in_common(state, k, z[k]) if warm and k not in (QRS, RHYTHM) else 0.0
        plain_total += rule[k] * _counted(z[k]) ** 2
        z[k] -= fibrillating * common
        total += rule[k] * _counted(z[k]) ** 2
    plain = np.sqrt(plain_total / weight)
    score = np.sqrt(total / weight) * (_relative(state, level, rule[_LEVEL]) if warm else 1.0)
    learn(
        state, level, population[MEAN], population[SD], rule[_SECOND] > 0.0, qrs, x, rr, raw, z, which, plain
    )
    return float(score), float(plain)


@compiled
def _counted(z: float) -> float:
    """Of a z-value: what counts."""
    return min(max(z, 0.0), HIGHEST)


@compiled
def _in_common(state: Floats, k: int, z: float) -> float:
    """The median z-value of part ``k`` over the last beats, if above 0; takes this beat's ``z`` for the
    next."""
    start = A_LATELY + k * LATELY
    common = median(state[start : start + LATELY], LATELY)
    state[start + int(state[V_SEEN]) % LATELY] = min(max(z, -HIGHEST), HIGHEST)
    return max(common, 0.0)


@compiled
def _relative(state: Floats, level: float, exponent: float) -> float:
    """What the plain score is multiplied by: population's over patient's level, by degrees."""
    trust = state[V_ACCEPTED] / (state[V_ACCEPTED] + LEVEL_TRUST)
    factor = (level / state[V_LEVEL]) ** exponent
    return float(min(max(1.0 + trust * (factor - 1.0), LEAST_LEVEL), MOST_LEVEL))
