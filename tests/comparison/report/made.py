"""A small comparison whose figures can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgmon.comparison.report.material import Cell, Experiment, Variant
from ecgmon.comparison.results import AtThreshold, CellResult, ReadingResult
from ecgmon.evaluation.ranking import auroc, average_precision

Arrays = dict[str, NDArray[Any]]

LABELS = np.array(["N"] * 300 + ["V"] * 60 + ["S"] * 40)


def decision(scores: NDArray[np.float64], high: float, low: float | None = None) -> AtThreshold:
    odd = (scores >= high) | (scores <= (-np.inf if low is None else low))
    normal = LABELS == "N"
    precision = float((~normal)[odd].mean()) if odd.any() else None
    recall = float(odd[~normal].mean())
    f1 = 2 * precision * recall / (precision + recall) if precision and recall else None
    return AtThreshold(
        high=high, low=low, accuracy=float((odd != normal).mean()), accuracy_normal=float((~odd)[normal].mean()),
        accuracy_abnormal=recall, precision=precision, recall=recall, f1=f1, f_beta=f1,
    )  # fmt: skip


def cell(
    seed: int,
    shift: float,
    *,
    readings: Sequence[str] = ("squared-error",),
    thresholds: Mapping[str, float] | None = None,
    method: dict[str, Any] | None = None,
    losses: bool = True,
    arrays: bool = True,
) -> Cell:
    """Scores of abnormal windows lie ``shift`` above the normal ones', in spreads of these."""
    rng = np.random.default_rng([seed, int(1000 * shift)])
    kept: Arrays = {"test_label": LABELS}
    results = {}
    for i, name in enumerate(readings):
        scores = np.exp(0.5 * rng.normal(size=len(LABELS)) + 0.5 * (shift + 0.2 * i) * (LABELS != "N"))
        kept[f"test_score_{name}"] = scores
        normal = LABELS == "N"
        results[name] = ReadingResult(
            auroc=auroc(scores[~normal], scores[normal]), auprc=average_precision(scores[~normal], scores[normal]),
            per_class_auroc={c: auroc(scores[LABELS == c], scores[normal]) or 0.0 for c in "VS"},
            mean_record_auroc=None, validation_auroc=0.75, beats_per_second=12000.0 + 100 * seed,
            thresholds={key: decision(scores, at) for key, at in (thresholds or {"f-beta": 1.8}).items()},
        )  # fmt: skip
    if losses:
        t = np.arange(187)
        wave = np.exp(-(((t - 93) / 4) ** 2)) + 0.02 * rng.normal(size=(16, 187))
        kept["example_x"] = wave.astype(np.float32)
        kept["example_restored"] = (0.8 * wave + 0.02 * rng.normal(size=wave.shape)).astype(np.float32)
        kept["example_label"] = np.array(["N"] * 8 + ["V"] * 5 + ["S"] * 3)
        kept["embedding"] = rng.normal(size=(len(LABELS), 2)) + shift * (LABELS == "V")[:, None]
        kept["embedding_label"] = LABELS
    epochs = np.arange(1, 9 + seed)
    return Cell(
        CellResult(
            key=f"{seed}", method=method or {"type": "autoencoder", "network": {"type": "conv1d"}}, dataset={},
            seed=seed, fold=0, n_train=5000, n_test={"N": 300, "S": 40, "V": 60}, parameters=4321,
            train_seconds=10.0 + seed,
            losses={"train": list(0.5 / epochs + 0.02), "validation": list(0.6 / epochs + 0.03 + 0.002 * epochs)}
            if losses else {},
            best_epoch=8 if losses else 0, readings=results,
        ),
        kept if arrays else {},
    )  # fmt: skip


def variant(name: str, shift: float, n: int = 3, **options: Any) -> Variant:
    return Variant(name, [cell(seed, shift, **options) for seed in range(n)])


def methods() -> Experiment:
    return Experiment(
        "methods", "Methods on DS1/DS2",
        [variant("lof", 0.8, losses=False), variant("conv1d", 2.0), variant("mlp", 1.2), variant("one-class-svm", 1.0, losses=False)],
        note="Which method?\n\nAll learn from the same windows.",
    )  # fmt: skip


def tutorial() -> Experiment:
    return Experiment(
        "tutorial", "The tutorial's protocol", [variant("mlp", 1.0), variant("lstm", 0.7), variant("conv1d", 1.4)],
        reference={"mlp": 0.84, "lstm": 0.75, "conv1d": 0.88}, failed=1,
    )  # fmt: skip


def thresholds() -> Experiment:
    cuts = {"f-beta": 1.8, "quantile": 2.6, "mad": 3.0, "peaks-over-threshold": 3.4, "conformal": 2.7}
    return Experiment(
        "thresholds",
        "Ways to choose a threshold",
        [variant("conv1d", 2.0, thresholds=cuts)],
        kind="thresholds",
    )


def scores() -> Experiment:
    names = ("squared-error", "l2", "cosine", "sample-map")
    return Experiment(
        "scores",
        "Scores",
        [variant("conv1d", 1.5, readings=names), variant("mlp", 1.0, readings=names)],
        kind="scores",
    )


def augmentation() -> Experiment:
    found = []
    for net, base in (("conv1d", 1.5), ("mlp", 1.0)):
        for i, way in enumerate(("none", "crop", "contrast", "flip")):
            for j, train in enumerate((False, True)):
                if way == "none" and train:
                    continue
                method = {
                    "type": "autoencoder", "network": {"type": net}, "augmentation": [way] if train else [],
                    "readings": {"plain": {"score": "squared-error", "augmentation": []},
                                 "varied": {"score": "squared-error", "augmentation": [way]}},
                }  # fmt: skip
                readings = ("plain",) if way == "none" else ("plain", "varied")
                name = f"{net}, {way} {'trained' if train else 'not trained'}"
                found.append(variant(name, base + 0.1 * i - 0.2 * j, method=method, readings=readings))
    return Experiment("augmentation", "Augmentation", found, kind="augmentation")


def sweep() -> Experiment:
    rates = ("0.0001", "0.0003", "0.001", "0.003", "0.01")
    return Experiment(
        "learning-rate", "Learning rate",
        [variant(f"{net}, rate {rate}", base + 0.2 * i - 0.05 * i * i)
         for net, base in (("conv1d", 1.5), ("mlp", 1.0)) for i, rate in enumerate(rates)],
        kind="sweep",
    )  # fmt: skip


def everything() -> list[Experiment]:
    return [methods(), tutorial(), thresholds(), scores(), augmentation(), sweep()]
