"""That nothing is learned or chosen on what is tested, and that times are of what they say."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgmon import config
from ecgmon.commands.compare_data import prepared
from ecgmon.comparison import cells, ecgmon_method
from ecgmon.comparison.cell import Cell
from ecgmon.comparison.data import Part, Table
from ecgmon.comparison.datasets import RecordsData
from ecgmon.comparison.drawing import DrawSettings, draw
from ecgmon.comparison.measuring import Scored, mean_of_records
from ecgmon.comparison.settings import AnyMethod
from ecgmon.model import training
from ecgmon.model.dataset import Pairs
from ecgmon.model.methods.base import Learning, Method
from ecgmon.model.methods.build import build
from ecgmon.model.thresholds import (
    FBetaThreshold,
    MadThreshold,
    QuantileThreshold,
    ThresholdSettings,
    choose,
)

THRESHOLDS: dict[str, ThresholdSettings] = {
    "F1": FBetaThreshold(steps=50), "share": QuantileThreshold(rate=0.05), "MAD": MadThreshold(two_sided=True)
}  # fmt: skip
OURS = {
    "type": "ecgmon",
    "fit": {
        "architecture": {"type": "conv", "channels": [4], "latent": 2, "context": 2},
        "training": {"epochs": 1, "max_beats_per_patient": None},
    },
}  # fmt: skip
NETWORK = {"type": "autoencoder", "epochs": 2, "network": {"type": "mlp", "sizes": [8], "latent": 2}}
METHODS: dict[str, dict[str, Any]] = {
    "network": NETWORK,
    "on the latent": {
        "type": "latent", "autoencoder": {k: v for k, v in NETWORK.items() if k != "type"},
        "detector": {"type": "isolation-forest"},
    },
    "classical": {"type": "classical", "detector": {"type": "kmeans", "clusters": 3}},
    "ours": OURS,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(ward: Path) -> RecordsData:
    return RecordsData(
        data=str(ward), train="a,b,c,d", test="x,y", learning_seconds=30.0, max_beats_per_patient=None
    )


@pytest.fixture(scope="module")
def tables(data: RecordsData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("tables")
    return folder, prepared("ward", data, folder, "compare.yaml")


Make = Callable[..., Cell]


@pytest.fixture
def cell(data: RecordsData, tables: tuple[Path, str]) -> Make:
    def make(method: dict[str, Any], seed: int = 0, fold: int = 0) -> Cell:
        settings: AnyMethod = config.convert(method, AnyMethod, where="test")  # type: ignore[arg-type]
        return Cell(
            method=settings, dataset=data, table=tables[1], draw=DrawSettings(), thresholds=THRESHOLDS,
            beta=2.0, seed=seed, fold=fold, folds=2,
        )  # fmt: skip

    return make


def of(table: Part, *, patients: set[str], normal: bool = True) -> set[bytes]:
    """The good, known windows of ``patients``, as bytes."""
    whose = np.array(table.patients)[table.record]
    kept = table.good & (table.label != "") & np.isin(whose, list(patients))
    kept &= (table.label == "N") == normal
    return {x.tobytes() for x in table.x(np.flatnonzero(kept))}


@pytest.mark.parametrize("name", METHODS)
def test_thresholds_are_chosen_on_the_validation_alone(
    name: str, cell: Make, tables: tuple[Path, str]
) -> None:
    result, arrays = cells.run_cell(cell(METHODS[name]), tables[0])
    ((reading, found),) = result.readings.items()

    def sides(part: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        scores, label = arrays[f"{part}_score_{reading}"].astype(np.float64), arrays[f"{part}_label"]
        return scores[label == "N"], scores[label != "N"]

    table, asked = Table.load(tables[0] / f"{tables[1]}.npz"), cell(METHODS[name])
    drawn = draw(table, asked.dataset, asked.draw, seed=0, fold=0, count=2)
    scored = Scored(arrays[f"test_score_{reading}"], arrays["test_label"], table.test.record[drawn.test])
    assert found.mean_record_auroc == pytest.approx(mean_of_records(scored), abs=1e-4)
    for threshold, settings in THRESHOLDS.items():
        at = found.thresholds[threshold]
        expected = choose(settings, *sides("validation"))
        assert at.high == pytest.approx(expected.high, rel=1e-4)
        assert at.low == (None if expected.low is None else pytest.approx(expected.low, rel=1e-4))
        for wrong in (sides("test"), sides("validation")[::-1], sides("test")[::-1]):
            assert at.high != pytest.approx(choose(settings, *wrong).high, rel=1e-4)


@pytest.mark.parametrize("fold", [0, 1])
def test_a_method_learns_from_normal_beats_of_patients_who_are_not_held_out(
    fold: int, cell: Make, tables: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Learning, int]] = []

    def watched(settings: Any) -> Method:
        method = build(settings)
        fit = method.fit

        def noted(learning: Learning, seed: int) -> None:
            seen.append((learning, seed))
            fit(learning, seed)

        monkeypatch.setattr(method, "fit", noted)
        return method

    cells._load_libraries()
    monkeypatch.setattr(cells, "build", watched)
    result, _ = cells.run_cell(cell(NETWORK, seed=5, fold=fold), tables[0])
    ((learning, seed),) = seen
    assert seed == 5
    table = Table.load(tables[0] / f"{tables[1]}.npz")
    held_out = set(result.dataset["held_out"])
    others = set(table.train.patients) - held_out
    assert len(held_out) == len(others) == 2
    learned = {x.tobytes() for x in learning.train}
    stopping = {x.tobytes() for x in learning.validation}
    assert learned == of(table.train, patients=others)
    assert stopping < of(table.train, patients=held_out)  # less what teaches a baseline
    tested = of(table.test, patients=set("xy")) | of(table.test, patients=set("xy"), normal=False)
    assert min(len(learned), len(stopping), len(tested)) > 50
    assert not (learned | stopping) & tested
    assert not learned & stopping
    assert result.n_train == len(learning.train)


@pytest.mark.parametrize("fold", [0, 1])
def test_the_projects_own_model_learns_from_the_same_patients(
    fold: int, cell: Make, tables: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Pairs, Pairs, int]] = []

    def watched(architecture: Any, settings: Any, pairs: Pairs, validation: Pairs, **more: Any) -> Any:
        seen.append((pairs, validation, more["seed"]))
        return training.train(architecture, settings, pairs, validation, **more)

    monkeypatch.setattr(ecgmon_method, "train", watched)
    table = Table.load(tables[0] / f"{tables[1]}.npz")
    asked = cell(OURS, seed=5, fold=fold)
    drawn = draw(table, asked.dataset, asked.draw, seed=5, fold=fold, count=2)
    fitted = ecgmon_method.fit(asked.method, table, drawn, 5)  # type: ignore[arg-type]
    ((pairs, validation, seed),) = seen
    assert seed == 5
    assert set(fitted.patients) == set(table.train.patients) - set(drawn.held_out)
    part = table.train
    normal = part.good & (part.label == "N")
    held_out = np.isin(np.array(part.patients)[part.record], drawn.held_out)
    assert len(pairs) == fitted.n_train == (normal & ~held_out).sum()
    assert len(validation) == (normal & held_out).sum() != len(pairs)


@pytest.mark.parametrize("name", ["network", "ours"])
def test_another_seed_is_another_training_on_the_same_beats(
    name: str, cell: Make, tables: tuple[Path, str]
) -> None:
    (first, one), (second, other) = (cells.run_cell(cell(METHODS[name], seed), tables[0]) for seed in (0, 1))
    assert one["test_label"].tolist() == other["test_label"].tolist()
    assert first.n_train == second.n_train
    assert first.losses["train"] != second.losses["train"]


def test_a_finished_model_validates_nothing_chooses_nothing_and_was_not_trained_here(
    cell: Make, tables: tuple[Path, str]
) -> None:
    result, arrays = cells.run_cell(cell({"type": "ecgmon", "bundle": "default"}), tables[0])
    (found,) = result.readings.values()
    assert found.auroc is not None
    assert (found.validation_auroc, found.thresholds) == (None, {})
    assert (result.train_seconds, result.n_train) == (None, None)
    assert not [name for name in arrays if "validation_score" in name]


@pytest.mark.parametrize("name", ["network", "classical", "ours"])
def test_times_are_of_the_fit_and_of_the_scores_alone(
    name: str, cell: Make, tables: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes two seconds further each time somebody looks at it."""
    cells._load_libraries()
    looks: list[int] = []
    ticks = itertools.count(0, 2)

    def look() -> float:
        looks.append(1)
        return float(next(ticks))

    monkeypatch.setattr(time, "process_time", look)
    for method in ("x", "records"):
        monkeypatch.setattr(Part, method, _unclocked(getattr(Part, method), looks))
    result, _ = cells.run_cell(cell(METHODS[name]), tables[0])
    (found,) = result.readings.values()
    part = Table.load(tables[0] / f"{tables[1]}.npz").test
    scored = int(part.good.sum()) if name == "ours" else sum(result.n_test.values())
    assert result.train_seconds == 2.0
    assert found.beats_per_second == scored / 2.0


def _unclocked(method: Callable[..., Any], looks: list[int]) -> Callable[..., Any]:
    def checked(*args: Any) -> Any:
        assert len(looks) % 2 == 0, "while the clock runs"
        return method(*args)

    return checked
