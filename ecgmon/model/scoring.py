"""From beats to scores: restore with the autoencoder, judge against the baseline, turn into p-values.

The autoencoder works on batches over many streams; what is relative to one patient is in
:mod:`ecgmon.model.oddness`. Scores do not depend on how beats were batched, up to the last digits of the
batched arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Beat, Layout, ModelRef, Samples, Score
from ecgmon.errors import BundleError, EcgmonError
from ecgmon.model import oddness as odd
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.baseline import Baseline
from ecgmon.model.bundle import Bundle
from ecgmon.model.calibration import Calibration
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.devices import Device, pick
from ecgmon.model.learning import ACCEPT
from ecgmon.model.oddness import GUESS, Population, ScoreSettings
from ecgmon.model.parts import MAX_SHIFT, PARTS, QRS, REGIONS, Floats, K, earliness, measure

LARGEST_BATCH: Final = 1024

FIT_ROUNDS: Final = 2
"""The statistics decide which beats enter a baseline and so themselves; two rounds settle them."""

LEAST_BEATS: Final = 30
"""Normal beats of a patient that make statistics,"""
LEAST_COLD: Final = 5
"""and normal beats without a reference, of all patients."""
LEAST_SPREAD: Final = 0.1
"""Of a part, in units of the guess: a record whose intervals are all the same has none."""


class Restorer:
    """The autoencoder on its device: [n, 187] beats and [n, 187] references to [n, 187] restored beats.

    On a CPU it sets torch to one thread for the whole process: these nets are so small that more threads
    mostly wait for each other, for seconds where other programs want the cores.
    """

    def __init__(self, model: Autoencoder, device: Device = "auto") -> None:
        self.device = pick(device)
        if self.device.type == "cpu":
            torch.set_num_threads(1)
        self.model = model.to(self.device).eval()
        self.sees_reference = model.context is not None

    def __call__(self, x: Samples, reference: Samples) -> Samples:
        restored = np.empty_like(x)
        with torch.inference_mode():
            for first in range(0, len(x), LARGEST_BATCH):
                part = slice(first, first + LARGEST_BATCH)
                y, _ = self.model(
                    torch.from_numpy(x[part]).to(self.device),
                    torch.from_numpy(reference[part]).to(self.device),
                )
                restored[part] = y.cpu().numpy()
        return restored


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One beat and what was found of it.

    score       larger is odder
    plain       0..8, the score before it was set against the patient's usual one
    z           [4] standard deviations from what is usual, by part
    raw         [4] what z was computed from
    warm        there was a reference
    x           [187] the normalised window, laid on the reference by ``shift`` samples
    reference   [187] zeros where there was none
    restored    [187] what the autoencoder made of x, half-way back to the reference where there is one
    """

    score: float
    plain: float
    z: Floats
    raw: Floats
    warm: bool
    x: Samples
    reference: Samples
    restored: Samples
    shift: int


class Judge:
    """Restores beats and takes their baselines over them; without an autoencoder the reference stands in."""

    def __init__(
        self,
        restorer: Restorer | None,
        population: Population,
        layout: Layout,
        settings: ScoreSettings | None = None,
    ) -> None:
        self.restorer = restorer
        self.population = population
        self.layout = layout
        self.regions = REGIONS[layout]
        self._rule = (settings or ScoreSettings()).rule()
        self._qrs = (int(self.regions[QRS, 0]), int(self.regions[QRS, 1]))

    def judge(self, items: Sequence[tuple[Beat, Baseline]]) -> Iterator[tuple[int, Judged]]:
        """Yield (index into ``items``, what was found) for each beat; each stream's beats in their order."""
        queues: dict[int, list[int]] = {}
        for i, (_, baseline) in enumerate(items):
            queues.setdefault(id(baseline), []).append(i)
        waiting = list(queues.values())
        while waiting:
            taken: list[int] = []
            for queue in waiting:
                n = min(items[queue[0]][1].room(), len(queue))
                taken += queue[:n]
                del queue[:n]
            waiting = [queue for queue in waiting if queue]
            yield from zip(taken, self._round([items[i] for i in taken]), strict=True)

    def _round(self, items: Sequence[tuple[Beat, Baseline]]) -> Iterator[Judged]:
        x = np.empty((len(items), WINDOW), np.float32)
        reference = np.zeros((len(items), WINDOW), np.float32)
        laid = []
        for i, (beat, baseline) in enumerate(items):
            scale = beat.scale if self.layout == "centred" else 0.0
            shift, which = odd.prepare(
                baseline.state, beat.window, scale, MAX_SHIFT[self.layout], self._qrs, x[i]
            )
            laid.append((shift, which))
            if baseline.warm:
                reference[i] = baseline.reference(which)
        restored = self._restore(x, reference, np.array([baseline.warm for _, baseline in items]))
        statistics, level = self.population.parts, self.population.level
        for i, ((beat, baseline), (shift, which)) in enumerate(zip(items, laid, strict=True)):
            raw, z, warm = np.empty(K), np.empty(K), baseline.warm
            early = earliness(beat.rr, beat.rr_local, beat.irregularity)
            measure(x[i], restored[i], self.regions, early, raw)
            score, plain = odd.advance(
                baseline.state, statistics, level, self._rule, self._qrs, x[i], beat.rr, raw, which, z
            )
            yield Judged(score, plain, z, raw, warm, x[i], reference[i], restored[i], shift)

    def _restore(self, x: Samples, reference: Samples, warm: NDArray[np.bool_]) -> Samples:
        """What the autoencoder makes of ``x`` [n, 187], drawn half-way back to the reference where there is
        one."""
        if self.restorer is None:
            return reference
        drawn = self.restorer(x, reference)
        if not self.restorer.sees_reference:
            return drawn
        drawn[warm] = reference[warm] + np.float32(odd.BELIEVED) * (drawn[warm] - reference[warm])
        return drawn


class Scorer:
    """A bundle at work: beats with their baselines in, scores out.

    ``false_alerts_per_hour`` chooses the threshold from the bundle's calibration; ``None`` takes the one it
    was calibrated for. Raises :class:`BundleError` when the bundle has no calibration.
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
        self.threshold = float("nan")
        if self._calibration is not None:
            self._judge = Judge(self._restorer, population_of(bundle), bundle.layout, bundle.metadata.score)
            self.threshold = (
                self._calibration.threshold
                if false_alerts_per_hour is None
                else self._calibration.threshold_for(false_alerts_per_hour)
            )

    @property
    def device(self) -> str:
        return str(self._restorer.device)

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
                odd=bool(p <= self.threshold),
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


def window_errors(restorer: Restorer, windows: Samples) -> NDArray[np.float64]:
    """Root mean square errors [n] of normalised windows [n, 187] restored without a reference."""
    restored = restorer(windows, np.zeros_like(windows))
    error: NDArray[np.float64] = np.sqrt(np.mean((windows - restored).astype(np.float64) ** 2, axis=1))
    return error


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


def judge_record(judge: Judge, record: RecordBeats) -> list[Judged | None]:
    """Run one recording from an empty baseline; ``None`` for beats that are not good."""
    return judge_records(judge, [record])[0]


def judge_records(judge: Judge, records: Sequence[RecordBeats]) -> list[list[Judged | None]]:
    """Run recordings side by side, which fills the batches, each from an empty baseline."""
    items: list[tuple[Beat, Baseline]] = []
    places: list[tuple[int, int]] = []
    for r, record in enumerate(records):
        baseline = Baseline()
        for b, beat in enumerate(record.beats):
            if beat.good:
                items.append((beat, baseline))
                places.append((r, b))
    found: list[list[Judged | None]] = [[None] * len(record.beats) for record in records]
    for i, judged in judge.judge(items):
        r, b = places[i]
        found[r][b] = judged
    return found


def reference_pairs(records: Sequence[RecordBeats], layout: Layout) -> list[tuple[Samples, Samples]]:
    """What an autoencoder trains on: each recording's good normal beats and their references, [n, 187] each.

    References grow as they do in service, from the beats before; for the first beats they are zeros. Which
    beats enter them is decided without an autoencoder, by distance and rhythm alone.
    """
    judge = Judge(None, GUESS, layout)
    pairs = []
    for record, found in zip(records, judge_records(judge, records), strict=True):
        kept = [j for j, label in zip(found, record.labels, strict=True) if j is not None and label == "N"]
        x = np.stack([j.x for j in kept]) if kept else np.empty((0, WINDOW), np.float32)
        reference = np.stack([j.reference for j in kept]) if kept else np.empty((0, WINDOW), np.float32)
        pairs.append((x, reference))
    return pairs


def fit_scoring(
    restorer: Restorer | None,
    records: Sequence[RecordBeats],
    layout: Layout,
    settings: ScoreSettings | None = None,
) -> Population:
    """Statistics of normal beats over patients.

    Only beats annotated normal count; the baselines see all beats, as in service. Each patient weighs the
    same. Raises :class:`EcgmonError` when no record has enough normal beats.
    """
    population = GUESS
    for _ in range(FIT_ROUNDS):
        found = judge_records(Judge(restorer, population, layout, settings), records)
        population = _population(found, records)
    return population


def _population(found: Sequence[Sequence[Judged | None]], records: Sequence[RecordBeats]) -> Population:
    rows: dict[tuple[bool, str], list[Judged]] = {}
    for judged_beats, record in zip(found, records, strict=True):
        for judged, label in zip(judged_beats, record.labels, strict=True):
            if judged is not None and label == "N":
                rows.setdefault((judged.warm, record.patient), []).append(judged)
    warm = [beats for (is_warm, _), beats in rows.items() if is_warm and len(beats) >= LEAST_BEATS]
    cold = [judged for (is_warm, _), beats in rows.items() if not is_warm for judged in beats]
    if not warm or not cold:
        raise EcgmonError(
            f"no recording has {LEAST_BEATS} good normal beats, too few for statistics; name more"
        )
    table = GUESS.parts.copy()
    for k in range(K):
        columns = [_finite([judged.raw[k] for judged in beats]) for beats in warm]
        columns = [column for column in columns if len(column) >= LEAST_BEATS]
        if not columns:
            continue  # a part that this layout does not have
        middles = np.array([np.median(column) for column in columns])
        table[odd.MEAN, k] = middles.mean()
        table[odd.SD, k] = max(
            np.median([column.std() for column in columns]), LEAST_SPREAD * GUESS.parts[odd.SD, k]
        )
        table[odd.BETWEEN, k] = middles.std() if len(columns) > 1 else table[odd.SD, k]
        first = _finite([judged.raw[k] for judged in cold])
        known = len(first) >= LEAST_COLD
        table[odd.COLD_MEAN, k] = first.mean() if known else table[odd.MEAN, k]
        table[odd.COLD_SD, k] = max(first.std(), table[odd.SD, k]) if known else table[odd.SD, k]
    accepted = [[judged.plain for judged in beats if judged.plain < ACCEPT] for beats in warm]
    levels = [np.median(plain) for plain in accepted if plain]
    return Population(table, float(np.mean(levels)) if levels else GUESS.level)


def _finite(values: Sequence[float]) -> Floats:
    array = np.array(values, np.float64)
    return array[np.isfinite(array)]
