"""From beats to the arrays that an autoencoder learns from.

Only beats that are annotated normal, of good quality and matched to an annotation are learned from; one
patient gives at most so many, so that a long recording does not outvote a short one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Beat, Layout, Samples

CLIP = 8.0
"""A normal QRS is about 1 high after scaling; what lies beyond 8 is an artefact and must not steer the
training."""


Span = tuple[float, float]
"""First and last moment, s of stream time, both included."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordBeats:
    """All beats of one recording.

    patient     whose heart it is; several recordings may share a patient
    beats       in stream order, good and bad
    labels      AAMI class of the matched annotation for each beat; "" is a beat that no annotation knows
    hours       how long the recording is, gaps not counted
    flutter     spans of annotated ventricular flutter or fibrillation, ascending
    """

    patient: str
    beats: list[Beat]
    labels: list[str]
    hours: float
    flutter: tuple[Span, ...] = ()


def normalise(window: Samples, scale: float | NDArray[np.float64] | Samples, layout: Layout) -> Samples:
    """What the autoencoder sees of a window, float32 [187], or [n, 187] for a stack with ``scale`` [n].

    ``centred``: less its median (the isoelectric line, mostly), divided by the stream's usual QRS size,
    clipped to -8..8. The scale belongs to the stream and not to the beat: a beat of unusual size stays
    unusual. ``kachuee``: as it is, 0..1 already; ``scale`` is not used.
    """
    window = np.asarray(window, dtype=np.float32)
    if layout == "kachuee":
        return np.clip(window, -CLIP, CLIP)
    size = np.asarray(scale, dtype=np.float32)[..., np.newaxis]
    levelled = window - np.median(window, axis=-1, keepdims=True)
    scaled: Samples = np.clip(levelled / size, -CLIP, CLIP).astype(np.float32, copy=False)
    return scaled


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """What the autoencoder learns from: normalised windows ``x`` [n, 187] and, beside each, its patient's
    reference beat [n, 187], zeros where none is known yet."""

    x: Samples
    reference: Samples

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def alone(cls, x: Samples) -> Pairs:
        """Windows of which no patient is known."""
        return cls(x, np.zeros_like(x))


def gather(
    patients: Sequence[str],
    pairs: Sequence[tuple[Samples, Samples]],
    *,
    max_per_patient: int | None,
    seed: int,
) -> Pairs:
    """One set from recordings' windows and references (each [n, 187]), patient by patient in stream order.

    Where a patient has more than ``max_per_patient``, that many are drawn without replacement, in a way that
    depends on the seed and that patient's name alone: another recording more or less does not change it.
    """
    pools: dict[str, list[tuple[Samples, Samples]]] = {}
    for patient, pair in zip(patients, pairs, strict=True):
        pools.setdefault(patient, []).append(pair)
    kept = [np.empty((2, 0, WINDOW), np.float32)]
    for patient, pool in pools.items():
        both = np.stack([np.concatenate(part) for part in zip(*pool, strict=True)])  # [2, n, 187]
        n = both.shape[1]
        if max_per_patient is not None and n > max_per_patient:
            rng = np.random.default_rng([seed, *patient.encode()])
            both = both[:, np.sort(rng.choice(n, max_per_patient, replace=False))]
        kept.append(both)
    x, reference = np.concatenate(kept, axis=1)
    return Pairs(x, reference)
