"""A small comparison whose figures can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.comparison.report.material import Cell, Experiment, Variant
from ecgmon.comparison.results import AtThreshold, CellResult, ReadingResult
from ecgmon.evaluation.ranking import auroc, average_precision

LABELS: Final = np.array(["N"] * 300 + ["V"] * 60 + ["S"] * 40)
NORMAL: Final = LABELS == "N"

CUT: Final = {"f-beta": 1.8}


def decision(scores: NDArray[np.float64], high: float, low: float | None = None) -> AtThreshold:
    odd = (scores >= high) | (scores <= (-np.inf if low is None else low))
    precision = float((~NORMAL)[odd].mean()) if odd.any() else None
    recall = float(odd[~NORMAL].mean())
    f1 = 2 * precision * recall / (precision + recall) if precision and recall else None
    return AtThreshold(
        high=high, low=low, accuracy=float((odd != NORMAL).mean()),
        accuracy_normal=float((~odd)[NORMAL].mean()), accuracy_abnormal=recall,
        precision=precision, recall=recall, f1=f1, f_beta=f1,
    )  # fmt: skip


def cell(
    seed: int,
    shift: float,
    *,
    readings: Sequence[str] = ("squared-error",),
    thresholds: Mapping[str, float] = CUT,
    method: Mapping[str, Any] | None = None,
    learned: bool = True,
    validation: float = 0.75,
) -> Cell:
    """Scores of abnormal windows lie ``shift`` above the normal ones', in spreads of these; ``learned`` by
    epochs, with examples and embeddings."""
    rng = np.random.default_rng([seed, int(1000 * shift)])
    kept: dict[str, NDArray[Any]] = {"test_label": LABELS}
    results = {}
    for i, name in enumerate(readings):
        scores = np.exp(0.5 * rng.normal(size=len(LABELS)) + 0.5 * (shift + 0.2 * i) * ~NORMAL)
        kept[f"test_score_{name}"] = scores
        sides = {letter: scores[letter == LABELS] for letter in "NVS"}
        results[name] = ReadingResult(
            auroc=auroc(scores[~NORMAL], sides["N"]), auprc=average_precision(scores[~NORMAL], sides["N"]),
            per_class_auroc={letter: auroc(sides[letter], sides["N"]) or 0.0 for letter in "VS"},
            mean_record_auroc=None, validation_auroc=validation, beats_per_second=12000.0 + 100 * seed,
            thresholds={key: decision(scores, at) for key, at in thresholds.items()},
        )  # fmt: skip
    losses: dict[str, list[float]] = {}
    if learned:
        kept |= pictured(rng, shift)
        epochs = np.arange(1, 9 + seed)
        losses = {"train": (0.5 / epochs).tolist(), "validation": (0.6 / epochs + 0.002 * epochs).tolist()}
    result = CellResult(
        key=f"{shift}-{seed}", method=dict(method or {"type": "autoencoder"}), dataset={}, seed=seed, fold=0,
        n_train=5000, n_test={"N": 300, "S": 40, "V": 60}, parameters=4321, train_seconds=10.0 + seed**2,
        losses=losses, best_epoch=8 if learned else 0, readings=results,
    )  # fmt: skip
    return Cell(result, kept)


def pictured(rng: np.random.Generator, shift: float) -> dict[str, NDArray[Any]]:
    wave = np.exp(-(((np.arange(187) - 93) / 4) ** 2)) + 0.02 * rng.normal(size=(16, 187))
    return {
        "example_x": wave.astype(np.float32),
        "example_restored": (0.8 * wave).astype(np.float32),
        "example_label": np.array(["N"] * 8 + ["V"] * 5 + ["S"] * 3),
        "embedding": rng.normal(size=(len(LABELS), 2)) + shift * (LABELS == "V")[:, None],
        "embedding_label": LABELS,
    }


def variant(name: str, shift: float, n: int = 3, **options: Any) -> Variant:
    return Variant(name, [cell(seed, shift, **options) for seed in range(n)])


def methods() -> Experiment:
    return Experiment(
        "methods", "Methods on DS1/DS2",
        [variant("lof", 0.8, learned=False), variant("conv1d", 2.0), variant("mlp", 1.2)],
        note="Which method?\n\nAll learn from the same windows.",
    )  # fmt: skip


def tutorial() -> Experiment:
    return Experiment(
        "tutorial", "The tutorial's protocol",
        [variant(name, shift, learned=False) for name, shift in (("mlp", 1.0), ("lstm", 0.7), ("ours", 1.4))],
        reference={"mlp": 0.84, "lstm": 0.75}, failed=1,
    )  # fmt: skip


def thresholds() -> Experiment:
    cuts = {"f-beta": 1.8, "quantile": 2.6, "mad": 3.0, "peaks-over-threshold": 3.4, "conformal": 2.7}
    return Experiment(
        "thresholds", "Thresholds", [variant("conv1d", 2.0, thresholds=cuts)], kind="thresholds"
    )


def scores() -> Experiment:
    names = ("squared-error", "cosine")
    return Experiment("scores", "Scores", [variant("mlp", 1.0, readings=names, learned=False)], kind="scores")


def augmentation() -> Experiment:
    """Of conv1d and mlp: none, and crop and flip in training, in testing (reading "varied") and in both."""
    found = []
    for net, base in (("conv1d", 1.5), ("mlp", 1.0)):
        for i, (way, train) in enumerate((("", 0), ("crop", 0), ("crop", 1), ("flip", 0), ("flip", 1))):
            method = {
                "network": {"type": net}, "augmentation": [way] * train,
                "readings": {"plain": {"augmentation": []}, "varied": {"augmentation": [way]}},
            }  # fmt: skip
            readings = ("varied",) if way and not train else ("plain", "varied") if way else ("plain",)
            name = f"{net}, {way or 'none'}{' trained' * train}"
            found.append(variant(name, base + 0.1 * i, method=method, readings=readings, learned=False))
    return Experiment("augmentation", "Augmentation", found, kind="augmentation")


def sweep() -> Experiment:
    rates = ("0.0001", "0.001", "0.01")
    return Experiment(
        "learning-rate", "Learning rate",
        [variant(f"{net}, rate {rate}", base + 0.2 * i - 0.1 * i * i, learned=False, validation=0.7 + 0.1 * i)
         for net, base in (("conv1d", 1.5), ("mlp", 1.0)) for i, rate in enumerate(rates)],
        kind="sweep",
    )  # fmt: skip


def everything() -> list[Experiment]:
    return [methods(), tutorial(), thresholds(), scores(), augmentation(), sweep()]
