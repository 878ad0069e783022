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
from ecgmon.model.judge import Judge, Judged
from ecgmon.model.oddness import Population
from ecgmon.model.parts import PARTS
from ecgmon.model.restorer import Restorer, window_errors


class Scorer:
    """A bundle at work: beats with their baselines in, scores out.

    ``false_alerts_per_hour`` chooses the threshold of alerts from the bundle's calibration; ``None`` takes
    the one it was calibrated for. A beat that counts towards an alert is odd, so that the threshold of beats
    is never stricter. Raises :class:`BundleError` when the bundle has no calibration.
    """

    def __init__(
        self, bundle: Bundle, device: Device = "auto", false_alerts_per_hour: float | None = None
    ) -> None:
        self.bundle = bundle
        self.layout: Layout = bundle.layout
        self.model_ref: ModelRef = bundle.ref
        self._restorer = Restorer(bundle.autoencoder(), device)
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
        if self._judge is None or self._calibration is None:
            raise BundleError(
                f"bundle '{self.bundle.name}' was trained on single windows and cannot score streams; "
                "train on recordings"
            )
        if not items:
            return []
        found: list[Judged | None] = [None] * len(items)
        for i, judged in self._judge.judge(items):
            found[i] = judged
        complete = [judged for judged in found if judged is not None]
        p_values = self._calibration.p_value(np.array([judged.score for judged in complete]))
        return [
            Score(
                score=judged.score,
                p_value=float(p),
                odd=bool(p <= self.beat_threshold),
                alarming=bool(p <= self.threshold),
                parts=dict(zip(PARTS, judged.z.tolist(), strict=True)),
                reconstruction=self._in_millivolt(judged.restored, judged.shift, beat),
                reference=(
                    self._in_millivolt(judged.reference, judged.shift, beat)
                    if judged.warm and self.layout == "centred"
                    else None
                ),
            )
            for judged, p, (beat, _) in zip(complete, p_values, items, strict=True)
        ]

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

    def _in_millivolt(self, shape: Samples, shift: int, beat: Beat) -> Samples:
        """``shape`` [187], which was compared with the window moved by ``shift``, back on the window."""
        placed = np.roll(shape, shift) if shift else shape
        if self.layout == "kachuee":
            return placed
        mv: Samples = placed * np.float32(beat.scale) + np.float32(np.median(beat.window))
        return mv


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
