"""A bundle at work: from beats to scores and p-values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Beat, Layout, ModelRef, Samples, Score
from ecgmon.errors import BundleError
from ecgmon.model.baseline import Baseline
from ecgmon.model.bundle import Bundle
from ecgmon.model.calibration import Calibration
from ecgmon.model.devices import Device
from ecgmon.model.judge import Judge, Round
from ecgmon.model.oddness import Population
from ecgmon.model.parts import PARTS, Floats
from ecgmon.model.restorer import Restorer, window_errors
from ecgmon.model.runs import in_millivolt
from ecgmon.model.slots import Precision


class Scorer:
    """A bundle at work: beats with their baselines in, scores out.

    ``false_alerts_per_hour`` chooses the threshold of alerts from the bundle's calibration; ``None`` takes
    the one it was calibrated for. A beat that counts towards an alert is odd, so that the threshold of beats
    is never stricter. ``precision`` is that of the autoencoder's products. Raises :class:`BundleError` when
    the bundle has no calibration.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: Device = "auto",
        false_alerts_per_hour: float | None = None,
        precision: Precision = "float32",
    ) -> None:
        self.bundle = bundle
        self.layout: Layout = bundle.layout
        self.model_ref: ModelRef = bundle.ref
        self._restorer = Restorer(bundle.autoencoder(), device, precision)
        self._calibration = _calibration(bundle, "calibration")
        self._windows = _calibration(bundle, "window_calibration")
        self._judge: Judge | None = None
        self.threshold = self.beat_threshold = float("nan")
        if self._calibration is not None:
            self._judge = Judge(self._restorer, population_of(bundle), bundle.layout, bundle.metadata.score)
            self.threshold = (
                self._calibration.threshold
                if false_alerts_per_hour is None
                else self._calibration.threshold_for(false_alerts_per_hour)
            )
            self.beat_threshold = max(self._calibration.info.beat_threshold, self.threshold)

    @property
    def device(self) -> str:
        return str(self._restorer.device)

    def warm_up(self, largest: int) -> None:
        """Compile for batches of up to ``largest`` beats, as a monitor should before beats wait."""
        self._restorer.warm_up(largest)

    def new_baseline(self) -> Baseline:
        """The baseline of a stream that nothing is known of."""
        return Baseline()

    def score(self, items: Sequence[tuple[Beat, Baseline]]) -> list[Score]:
        """Score good beats, each with its stream's baseline, in stream order; baselines learn on the way."""
        judge, calibration = self._judge, self._calibration
        if judge is None or calibration is None:
            raise BundleError(
                f"bundle '{self.bundle.name}' was trained on single windows and cannot score streams; "
                "train on recordings"
            )
        scores: dict[int, Score] = {}
        for taken, found in judge.rounds(items):
            p_values = calibration.p_value(found.scores[:, 0])
            told = self._told(found, p_values, [items[i][0].scale for i in taken])
            scores.update(zip(taken, told, strict=True))
        return [scores[i] for i in range(len(items))]

    def score_windows(self, windows: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores [n] and p-values [n] of ready windows [n, 187].

        No patient, no rhythm: the error alone. ``windows`` are normalised, of the bundle's layout.
        """
        if self._windows is None:
            raise BundleError(
                f"bundle '{self.bundle.name}' has no calibration for windows; train on a CSV of windows"
            )
        scores = window_errors(self._restorer, windows)
        return scores, self._windows.p_value(scores)

    def _told(self, found: Round, p_values: Floats, scale: Sequence[float]) -> list[Score]:
        """What was found of beats with ``scale`` mV to the unit. Each gets arrays of its own: of the few that
        are kept for an alert, the rest of the batch must not be kept too."""
        restored, usual = found.restored, found.reference
        if self.layout == "centred":
            gain = np.array(scale)
            restored = in_millivolt(restored, found.laid, gain, found.middle)
            usual = in_millivolt(usual, found.laid, gain, found.middle)
        known = found.warm & (self.layout == "centred")
        odd, alarming = p_values <= self.beat_threshold, p_values <= self.threshold
        columns = (found.scores[:, 0], p_values, odd, alarming, found.z, known)
        pre_qrs, qrs, st_t, rhythm = PARTS
        return [
            Score(
                score=score,
                p_value=p,
                odd=is_odd,
                alarming=alarms,
                parts={pre_qrs: z[0], qrs: z[1], st_t: z[2], rhythm: z[3]},
                reconstruction=drawn.copy(),
                reference=expected.copy() if has_usual else None,
            )
            for score, p, is_odd, alarms, z, has_usual, drawn, expected in zip(
                *(c.tolist() for c in columns), restored, usual, strict=True
            )
        ]


def _calibration(bundle: Bundle, name: str) -> Calibration | None:
    """The calibration that the bundle keeps under ``name``, or None."""
    info = getattr(bundle.metadata, name)
    if info is None:
        return None
    try:
        return Calibration.from_parts(info, bundle.part(name))
    except ValueError as error:
        raise BundleError(f"bundle '{bundle.name}': {error}; train it again") from None


def population_of(bundle: Bundle) -> Population:
    """The bundle's statistics of normal beats."""
    try:
        return Population.from_tensors(bundle.part("scoring"))
    except ValueError as error:
        raise BundleError(f"bundle '{bundle.name}' {error}; train it again") from None
