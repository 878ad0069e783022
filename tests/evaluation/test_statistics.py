"""The figures of ``evaluate --json`` come from the counts they claim to come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from ecgmon.evaluation.alarms import Raised
from ecgmon.evaluation.reference import Reference, reference
from ecgmon.evaluation.statistics import Alerts, Evaluation, Requested, evaluation, summary
from ecgmon.evaluation.table import render
from ecgmon.evaluation.table import small as shown
from ecgmon.evaluation.tally import Scored, Tally, tally
from ecgmon.sources.annotations import read_annotations

REQUESTED = Requested(
    threshold=0.01, false_positive_rate=0.01, alert_threshold=0.002, false_alerts_per_hour=0.5
)


def scored(
    truth: Reference, t: NDArray[np.float64], score: NDArray[np.float64], *alerts: Raised, hours: float = 0.5
) -> Scored:
    return Scored("r", hours, truth, t, score, 1 - score, score >= 0.99, alerts)


def small() -> Tally:
    """Ten seconds, one beat a second: N V S N N V N N F N.

    The detector misses the S, invents one flagged and one quiet beat, and does not trust the signal at the
    second V and at the last N.
    """
    truth = reference(np.arange(10, dtype=np.int64) * 360, list("NVSNNVNNFN"), 360.0)
    t = np.array([0, 1, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9], dtype=np.float64)
    score = np.array([0.1, 1.0, 0.2, 0.995, 0.99, 0.3, np.nan, 0.1, 0.2, 0.5, np.nan])
    return tally(scored(truth, t, score), learning=0.0, qrs_from=0.0)


def test_every_beat_is_counted_somewhere() -> None:
    beats = summary([small()], REQUESTED).beats
    assert (beats.n, beats.n_anomalous) == (10, 4)
    assert (beats.n_missed, beats.n_invented, beats.n_not_good) == (1, 2, 2)
    assert beats.n_per_class == {"N": 6, "S": 1, "V": 2, "F": 1, "Q": 0}


def test_missed_and_unscored_anomalies_lower_sensitivity_and_invented_flags_the_ppv() -> None:
    beats = summary([small()], REQUESTED).beats
    assert beats.sensitivity == pytest.approx(1 / 4)  # one V; the S missed, one V unscored, the F not flagged
    assert beats.ppv == pytest.approx(1 / 3)  # beside it one N and one invention
    assert beats.specificity == pytest.approx(5 / 7)  # five scored N, two inventions, two of them flagged
    assert beats.realised_false_positive_rate == pytest.approx(2 / 7)
    assert beats.requested_false_positive_rate == 0.01
    assert beats.f1 == pytest.approx(2 / (2 + 2 + 3))
    assert beats.per_class_sensitivity == {"S": 0.0, "V": 0.5, "F": 0.0, "Q": None}


def test_ranking_is_over_beats_with_truth_and_score_and_strict_ranking_over_all() -> None:
    beats = summary([small()], REQUESTED).beats
    # V 1.0 and F 0.5 against N 0.1 0.2 0.99 0.1 0.2
    assert beats.auroc == pytest.approx((5 + 4) / 10)
    assert beats.per_class_auroc == {"S": None, "V": 1.0, "F": pytest.approx(0.8), "Q": None}
    # also S and V at the bottom, against the inventions 0.995 and 0.3 and the unscored N, which ties
    assert beats.auroc_strict == pytest.approx((8 + 6 + 0.5 + 0.5) / 32)


def test_the_detector_is_judged_at_both_tolerances() -> None:
    qrs = summary([small()], REQUESTED).qrs
    assert qrs is not None
    assert list(qrs) == ["150ms", "50ms"]
    assert (qrs["150ms"].n, qrs["150ms"].n_missed, qrs["150ms"].n_invented) == (10, 1, 2)
    assert qrs["150ms"].sensitivity == pytest.approx(0.9)
    assert qrs["150ms"].ppv == pytest.approx(9 / 11)
    assert qrs["150ms"].f1 == pytest.approx(18 / 21)


def test_what_is_learned_in_is_not_scored_and_the_edge_keeps_its_partner() -> None:
    truth = reference(np.array([299, 300, 301], dtype=np.int64) * 360, list("NVN"), 360.0)
    t = np.array([299.05, 299.95, 301.0])
    result = summary([tally(scored(truth, t, np.array([0.1, 1.0, 0.2])))], REQUESTED)
    assert (result.beats.n, result.beats.n_missed, result.beats.n_invented) == (2, 0, 0)
    assert result.qrs is not None
    assert result.qrs["150ms"].n == 2


def test_the_detector_can_be_judged_from_the_start() -> None:
    truth = reference(np.arange(400, dtype=np.int64) * 360, ["N"] * 400, 360.0)
    record = scored(truth, np.arange(400.0), np.zeros(400))
    result = summary([tally(record, qrs_from=0.0)], REQUESTED)
    assert result.qrs is not None
    assert (result.qrs["150ms"].n, result.beats.n) == (400, 100)


def test_flutter_is_no_place_for_beats() -> None:
    truth = reference(np.arange(9, dtype=np.int64) * 360, list("NN[!!!]NN"), 360.0)
    t = np.arange(9.0)
    result = summary([tally(scored(truth, t, np.ones(9)), learning=0.0, qrs_from=0.0)], REQUESTED)
    assert result.qrs is not None
    assert result.qrs["150ms"].n_invented == 0
    assert (result.beats.n, result.beats.n_invented) == (4, 0)


def test_nothing_to_measure_is_null_in_json() -> None:
    truth = reference(np.array([360], dtype=np.int64), ["N"], 360.0)
    record = tally(scored(truth, np.array([]), np.array([]), hours=0.01))
    result = evaluation({"r": record}, {"r": REQUESTED}, model={}, data={})
    tree = msgspec.json.decode(msgspec.json.encode(result))
    assert tree["qrs"]["150ms"]["sensitivity"] is None
    for key in ("auroc", "auprc", "mean_record_auroc", "sensitivity", "specificity", "ppv", "f1"):
        assert tree["beats"][key] is None
    for key in ("false_per_hour", "episode_sensitivity", "median_delay_s", "p99_delay_s"):
        assert tree["alerts"][key] is None
    assert "NaN" not in msgspec.json.encode(result).decode()
    assert "-" in render(result)


def test_given_r_peaks_are_not_judged() -> None:
    truth = reference(np.array([360], dtype=np.int64), ["N"], 360.0)
    record = tally(scored(truth, truth.t, np.zeros(1)), learning=0.0, qrs=False)
    assert summary([record], REQUESTED).qrs is None


PERTURBED = ("100", "105", "200", "207", "232")


@pytest.fixture(scope="module")
def perturbed(mitdb: Path) -> Evaluation:
    """Real annotations; a detector that misses 1 beat in 50, invents 1 in 100 and jitters by 10 ms; an honest
    score."""
    rng = np.random.default_rng(7)
    tallies = {}
    for name in PERTURBED:
        marks = read_annotations(mitdb / name)
        truth = reference(marks.samples, marks.symbols, marks.fs)
        kept = rng.random(len(truth.t)) > 0.02
        extra = rng.uniform(0, 1805, len(truth.t) // 100)
        t = np.concatenate([truth.t[kept] + rng.normal(0, 0.01, kept.sum()), extra])
        ours = rng.normal(np.where(truth.label[kept] == "N", 0.0, 2.0), 1.0)
        score = np.concatenate([ours, rng.normal(0, 1, len(extra))])
        order = np.argsort(t)
        runs = [Raised("anomalous-beats", run[0], run[-1], run[2] + 4.0) for run in truth.episodes()[1::2]]
        false = [Raised("anomalous-beats", x, x + 0.01, x) for x in _quiet(truth)]
        hours = 650_000 / 360 / 3600
        tallies[name] = tally(
            Scored(
                name,
                hours,
                truth,
                t[order],
                score[order],
                norm.sf(score[order]),
                score[order] > 2.3,
                runs + false,
            )
        )
    return evaluation(
        tallies, dict.fromkeys(tallies, REQUESTED), model={"name": "m"}, data={"records": list(tallies)}
    )


def _quiet(truth: Reference) -> list[float]:
    """Up to two moments of the scored part, 2 s from any anomaly."""
    odd = np.concatenate([truth.t[truth.label != "N"], [t for span in truth.flutter for t in span]])
    return [float(t) for t in range(310, 1800, 5) if not len(odd) or np.abs(odd - t).min() > 2][:2]


def test_figures_of_real_annotations_are_those_of_the_perturbation(perturbed: Evaluation) -> None:
    assert perturbed.qrs is not None
    assert perturbed.alerts is not None
    assert perturbed.qrs["150ms"].sensitivity == pytest.approx(0.98, abs=0.005)
    assert perturbed.qrs["150ms"].ppv == pytest.approx(0.99, abs=0.005)
    assert perturbed.beats.auroc == pytest.approx(0.921, abs=0.01)  # two unit normals, 2 apart
    assert perturbed.beats.specificity == pytest.approx(0.989, abs=0.004)
    assert perturbed.beats.sensitivity == pytest.approx(0.98 * 0.382, abs=0.03)
    assert perturbed.alerts.n_false > 0
    assert perturbed.alerts.false_per_hour == pytest.approx(perturbed.alerts.n_false / perturbed.alerts.hours)
    assert perturbed.alerts.hours == pytest.approx(5 * (650_000 / 360 - 300) / 3600)
    assert perturbed.alerts.median_delay_s == pytest.approx(4.0)
    assert perturbed.alerts.n_episodes_found < perturbed.alerts.n_episodes


def test_pooled_counts_are_the_sums_of_the_records(perturbed: Evaluation) -> None:
    def total(*path: str) -> Any:
        def walk(summary: Any) -> Any:
            for key in path:
                summary = summary[key] if isinstance(summary, dict) else getattr(summary, key)
            return summary

        return walk(perturbed), sum(walk(record) for record in perturbed.records.values())

    for path in (
        ("beats", "n"), ("beats", "n_anomalous"), ("beats", "n_missed"), ("beats", "n_invented"), ("alerts",
        "n_false"), ("alerts", "n_episodes"), ("qrs", "50ms", "n_missed"), ("qrs", "150ms", "n_invented"),
    ):  # fmt: skip
        pooled, summed = total(*path)
        assert pooled == summed, path


def test_the_mean_over_records_leaves_out_those_of_one_kind(perturbed: Evaluation) -> None:
    known = [r.beats.auroc for r in perturbed.records.values() if r.beats.auroc is not None]
    assert perturbed.beats.mean_record_auroc == pytest.approx(sum(known) / len(known))


def test_the_contract_of_the_json_holds(perturbed: Evaluation) -> None:
    tree = msgspec.json.decode(msgspec.json.encode(perturbed))
    beats = {
        "n", "n_anomalous", "auroc", "auprc", "mean_record_auroc", "per_class_auroc", "threshold",
        "sensitivity", "specificity", "ppv", "f1", "requested_false_positive_rate",
        "realised_false_positive_rate",
    }  # fmt: skip
    alerts = {
        "n", "false_per_hour", "requested_false_per_hour", "episode_sensitivity", "median_delay_s",
        "p99_delay_s"
    }  # fmt: skip
    for part in (tree, *tree["records"].values()):
        assert set(part["qrs"]) == {"150ms", "50ms"}
        assert {"sensitivity", "ppv", "f1"} <= set(part["qrs"]["50ms"])
        assert beats <= set(part["beats"])
        assert set(part["beats"]["per_class_auroc"]) == {"S", "V", "F", "Q"}
        assert alerts <= set(part["alerts"])
    assert set(tree) == {"qrs", "beats", "alerts", "records", "model", "data"}


def test_the_table_shows_every_record_and_fits_a_terminal(perturbed: Evaluation) -> None:
    lines = render(perturbed).splitlines()
    assert [line.split()[0] for line in lines[-len(PERTURBED) :]] == list(PERTURBED)
    assert max(len(line) for line in lines) <= 120


def test_pooled_over_folds_the_thresholds_are_told_and_the_request_is_weighted_by_beats() -> None:
    """Ten seconds with seven normal or invented scored beats, and twice as much at another threshold."""
    loose = Requested(
        threshold=0.4, false_positive_rate=0.4, alert_threshold=0.003, false_alerts_per_hour=0.5
    )
    truth = reference(np.arange(14, dtype=np.int64) * 360, ["N"] * 14, 360.0)
    longer = tally(scored(truth, truth.t, np.full(14, 0.1)), learning=0.0, qrs_from=0.0)
    result = evaluation({"a": small(), "b": longer}, {"a": REQUESTED, "b": loose}, model={}, data={})
    assert result.beats.threshold == pytest.approx((0.01 + 0.4) / 2)
    assert result.beats.thresholds == (0.01, 0.4)
    assert result.beats.requested_false_positive_rate == pytest.approx((7 * 0.01 + 14 * 0.4) / 21)
    assert result.alerts is not None
    assert result.alerts.requested_false_per_hour == 0.5
    assert result.alerts.threshold == pytest.approx((0.002 + 0.003) / 2)
    assert result.alerts.thresholds == (0.002, 0.003)
    tree = msgspec.json.decode(msgspec.json.encode(result))
    assert tree["beats"]["thresholds"] == [0.01, 0.4]
    assert "thresholds" not in tree["records"]["a"]["beats"]
    assert tree["alerts"]["thresholds"] == [0.002, 0.003]
    assert tree["records"]["b"]["alerts"]["threshold"] == 0.003
    assert "thresholds" not in tree["records"]["b"]["alerts"]
    text = render(result)
    assert "at each fold's own threshold (0.01 to 0.4)" in text
    assert "p <= 0.2" not in text
    assert "each fold's own (0.002 to 0.003)" in text
    assert "0.0025" not in text


def test_one_threshold_of_beats_and_folds_own_of_alerts() -> None:
    """As a rule: beats are odd at the share that was asked for, alerts at what each fold's patients need."""
    other = msgspec.structs.replace(REQUESTED, alert_threshold=0.004)
    result = evaluation({"a": small(), "b": small()}, {"a": REQUESTED, "b": other}, model={}, data={})
    assert (result.beats.threshold, result.beats.thresholds) == (0.01, msgspec.UNSET)
    assert result.alerts is not None
    assert result.alerts.thresholds == (0.002, 0.004)
    text = render(result)
    assert "p <= 0.01 " in text
    assert "each fold's own (0.002 to 0.004)" in text
    assert "at p <= 0.002" in render(evaluation({"a": small()}, {"a": REQUESTED}, model={}, data={}))


def test_the_table_says_what_false_flags_are_of_and_leaves_out_what_there_is_none_of() -> None:
    text = render(evaluation({"r": small()}, {"r": REQUESTED}, model={}, data={}))
    assert "realised 28.6 % of normal and invented beats" in text
    assert "after - s" not in text
    truth = reference(np.array([360], dtype=np.int64), ["V"], 360.0)
    lone = tally(scored(truth, truth.t, np.ones(1)), learning=0.0)
    text = render(evaluation({"r": lone}, {"r": REQUESTED}, model={}, data={}))
    assert "times" not in text
    assert "p <= 0.001" not in text


def test_an_alert_that_always_stands_is_seen_by_the_share_of_time_and_of_normal_beats() -> None:
    truth = reference(np.arange(20, dtype=np.int64) * 360, list("NNNNNNNNNNVVVNNNNVVV"), 360.0)
    score = np.zeros(20)
    score[5] = np.nan
    ever, short = Raised("anomalous-beats", 1.0, 19.5, 2.0), Raised("anomalous-beats", 10.0, 12.0, 13.0)

    def alerts(one: Raised) -> tuple[Alerts, str]:
        found = tally(scored(truth, truth.t, score, one, hours=20 / 3600), learning=4.0, qrs_from=0.0)
        result = evaluation({"r": found}, {"r": REQUESTED}, model={}, data={})
        assert result.alerts is not None
        return result.alerts, render(result)

    standing, text = alerts(ever)
    assert (standing.n, standing.n_true, standing.episode_sensitivity) == (1, 1, 1.0)
    assert (standing.n_episodes_already_standing, standing.median_delay_s) == (2, None)
    assert standing.in_alert_share == pytest.approx(15.5 / 16)
    assert standing.normal_in_alert_share == 1.0
    assert "in alerts     96.9 % of the time, 100 % of normal beats" in text
    assert "2 of them while an alert already stood" in text
    helpful, text = alerts(short)
    assert (helpful.n_episodes_found, helpful.n_episodes_already_standing) == (1, 0)
    assert helpful.median_delay_s == 1.0
    assert helpful.in_alert_share == pytest.approx(2 / 16)
    assert helpful.normal_in_alert_share == 0.0
    assert "already stood" not in text


def test_long_names_and_many_kinds_of_alert_fit_a_terminal_too() -> None:
    truth = reference(np.arange(9, dtype=np.int64) * 360, ["N"] * 9, 360.0)
    alerts = [Raised(f"some-quite-long-kind-{i}", 1.0, 2.0, 3.0) for i in range(12)]
    one = tally(scored(truth, truth.t, np.zeros(9), *alerts), learning=0.0, qrs_from=0.0)
    names = ["ward/" * 20 + "100", "200"]
    text = render(evaluation(dict.fromkeys(names, one), dict.fromkeys(names, REQUESTED), model={}, data={}))
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "some-quite-long-kind-11 2" in text
    assert text.splitlines()[-2].split()[0].endswith("ward/100")


def test_small_rates_are_not_shown_as_nothing() -> None:
    assert (shown(0.0000123), shown(0.0), shown(0.5)) == ("1.23e-05", "0", "0.5")
    assert (shown(1234.5), shown(None)) == ("1234", "-")
