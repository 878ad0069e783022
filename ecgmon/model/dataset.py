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


@dataclass(frozen=True, slots=True, eq=False)
class RecordBeats:
    """All beats of one recording.

    patient     whose heart it is; several recordings may share a patient
    beats       in stream order, good and bad
    labels      AAMI class of the matched annotation for each beat; "" is a beat that no annotation knows
    hours       how long the recording is, gaps not counted
    """

    patient: str
    beats: list[Beat]
    labels: list[str]
    hours: float


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


def windows(beats: Sequence[Beat], layout: Layout) -> Samples:
    """[n, 187] normalised windows of ``beats``."""
    if not beats:
        return np.empty((0, WINDOW), np.float32)
    stack = np.stack([beat.window for beat in beats])
    return normalise(stack, np.array([beat.scale for beat in beats]), layout)


def normal_windows(
    records: Sequence[RecordBeats], layout: Layout, *, max_per_patient: int | None, seed: int
) -> Samples:
    """[n, 187] normalised windows of the good, normal beats, record by record in stream order.

    Where a patient has more than ``max_per_patient``, that many are drawn without replacement, in a way that
    depends on the seed and that patient's name alone: adding a record does not change the draw of the others.
    """
    pools: dict[str, list[Beat]] = {}
    for record in records:
        pool = pools.setdefault(record.patient, [])
        pool += [b for b, label in zip(record.beats, record.labels, strict=True) if label == "N" and b.good]
    parts = []
    for patient, pool in pools.items():
        kept = pool
        if max_per_patient is not None and len(pool) > max_per_patient:
            rng = np.random.default_rng([seed, *patient.encode()])
            kept = [pool[i] for i in np.sort(rng.choice(len(pool), max_per_patient, replace=False))]
        parts.append(windows(kept, layout))
    return np.concatenate(parts) if parts else np.empty((0, WINDOW), np.float32)
