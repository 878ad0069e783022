"""What is measured at a threshold, and that all methods are measured on the same beats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgmon.commands.compare_data import prepared
from ecgmon.comparison import ecgmon_method
from ecgmon.comparison.data import Table
from ecgmon.comparison.datasets import RecordsData
from ecgmon.comparison.drawing import DrawSettings, draw
from ecgmon.comparison.ecgmon_method import EcgmonSettings
from ecgmon.comparison.measuring import Scored, at_threshold, mean_of_records
from ecgmon.model import bundle as bundles
from ecgmon.model.baseline import Baseline
from ecgmon.model.scoring import Scorer
from ecgmon.model.thresholds import Threshold


def test_rates_at_a_threshold_are_those_of_the_confusion_matrix() -> None:
    normal, odd = np.array([0.0, 1.0, 2.0, 3.0]), np.array([-1.0, 2.0, 4.0, 5.0, 6.0])
    found = at_threshold(Threshold(3.0), normal, odd, beta=2.0)
    assert (found.recall, found.precision) == (3 / 5, 3 / 4)
    assert (found.accuracy_normal, found.accuracy_abnormal, found.accuracy) == (3 / 4, 3 / 5, 6 / 9)
    assert found.f1 == pytest.approx(2 * 0.6 * 0.75 / (0.6 + 0.75))
    assert found.f_beta == pytest.approx(5 * 0.6 * 0.75 / (4 * 0.75 + 0.6))
    two = at_threshold(Threshold(3.0, -1.0), normal, odd, beta=2.0)
    assert two.recall == 4 / 5
    assert at_threshold(Threshold(9.0), normal, odd, beta=1.0).precision is None
    assert at_threshold(Threshold(9.0), normal, odd, beta=1.0).f1 == 0.0


def test_the_projects_own_model_scores_as_the_monitor_does(ward: Path, tmp_path: Path) -> None:
    data = RecordsData(data=str(ward), train="a,b,c,d", test="x,y", learning_seconds=30.0, max_test=150)
    table = Table.load(tmp_path / f"{prepared('ward', data, tmp_path, 'compare.yaml')}.npz")
    drawn = draw(table, data, DrawSettings(), seed=0, fold=0, count=2)
    fitted = ecgmon_method.fit(EcgmonSettings(bundle="default"), table, drawn, 0)
    found = fitted.test(drawn, drawn.test[:3])
    scorer = Scorer(bundles.load("default"), "cpu")
    expected = np.full(len(table.test.label), np.nan)
    for i, record in enumerate(table.test.records()):
        baseline = Baseline()
        good = [n for n, beat in enumerate(record.beats) if beat.good]
        scores = scorer.score([(record.beats[n], baseline) for n in good])
        expected[np.flatnonzero(table.test.record == i)[good]] = [score.score for score in scores]
    assert np.isfinite(found).all()
    assert found == pytest.approx(expected[drawn.test], rel=1e-4, abs=1e-4)
    x, restored = fitted.restored(drawn.test[:3])
    assert x.shape == restored.shape == (3, 187)


def test_the_mean_of_records_is_over_the_auroc_within_each() -> None:
    label = np.array(["N", "V", "N", "V", "N"])
    scores, record = np.array([0.0, 1.0, 11.0, 10.0, 20.0]), np.array([0, 0, 1, 1, 2])
    assert mean_of_records(Scored(scores, label, record)) == 0.5  # 1 and 0; the third has no abnormal beat
    assert mean_of_records(Scored(scores, label)) is None
    assert mean_of_records(Scored(scores[4:], label[4:], record[4:])) is None
