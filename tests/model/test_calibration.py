from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.errors import EcgmonError
from ecgmon.model.calibrating import calibrate, calibrate_windows
from ecgmon.model.calibration import MOST_ALERTS, Calibration, CalibrationSettings, Method
from ecgmon.model.curves import RUN_TOGETHER
from ecgmon.model.extremes import FloatArray
from ecgmon.model.false_alerts import (
    ScoredRecord,
    after_learning,
    best_f_beta,
    false_alerts_per_hour,
    normal_hours,
)

EIGHT = EpisodeSettings(clear_beats=8, clear_seconds=30.0)
"""Alerts that end soon: dozens an hour can be told apart."""


def stream(
    patient: str, n: int = 3000, seed: int = 0, odd_share: float = 0.02, shift: float = 0.0
) -> ScoredRecord:
    """A patient with 0.8 s between beats; anomalous beats score higher."""
    rng = np.random.default_rng([seed, *patient.encode()])
    odd = rng.random(n) < odd_share
    scores = np.asarray(rng.gamma(2, size=n) + shift + 8 * odd, np.float64)
    times = np.asarray(0.8 * np.arange(1, n + 1), np.float64)
    return ScoredRecord(patient, times, scores, ["V" if o else "N" for o in odd], float(times[-1]) / 3600)


PATIENTS = [stream(name) for name in ("a", "b", "c", "d")]


@pytest.mark.parametrize("method", ["conformal", "quantile", "peaks-over-threshold"])
@pytest.mark.parametrize("requested", [1.0, 5.0, 20.0])
def test_threshold_honours_the_request_and_uses_it(method: Method, requested: float) -> None:
    settings = CalibrationSettings(method=method, false_alerts_per_hour=requested, margin=0, episodes=EIGHT)
    calibration = calibrate(PATIENTS, settings)
    assert calibration.info.realised <= requested
    finer = calibration.grid[np.searchsorted(calibration.grid, calibration.threshold) + 1]
    p = [calibration.p_value(r.scores) for r in PATIENTS]
    looser = np.mean([_false(r, v, float(finer)) for r, v in zip(PATIENTS, p, strict=True)])
    assert looser > requested


def test_a_margin_leaves_room_for_patients_that_are_not_there() -> None:
    unlike = [stream(name, shift=shift) for name, shift in (("a", 0.0), ("b", 1.0), ("c", 2.0), ("d", 0.5))]
    exact, careful, wary = (
        calibrate(unlike, CalibrationSettings(false_alerts_per_hour=5.0, margin=margin, episodes=EIGHT))
        for margin in (0.0, 1.0, 5.0)
    )
    assert exact.threshold >= careful.threshold > wary.threshold
    assert (careful.rates >= exact.rates).all()
    assert exact.threshold_for(5.0) == exact.threshold
    assert careful.threshold_for(5.0) == careful.threshold


def test_a_single_patient_has_no_margin_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    one = PATIENTS[:1]
    exact = calibrate(one, CalibrationSettings(false_alerts_per_hour=5.0, margin=0, episodes=EIGHT))
    assert "margin" not in caplog.text
    careful = calibrate(one, CalibrationSettings(false_alerts_per_hour=5.0, episodes=EIGHT))
    assert careful.threshold == exact.threshold
    assert "no margin could be taken" in caplog.text


def _false(record: ScoredRecord, p: FloatArray, threshold: float, rule: EpisodeSettings = EIGHT) -> float:
    kept = record.times >= 300
    later = ScoredRecord(
        record.patient,
        record.times[kept],
        record.scores[kept],
        list(np.array(record.labels)[kept]),
        record.hours - 300 / 3600,
    )
    return false_alerts_per_hour([later], [p[kept]], threshold, rule)


@pytest.mark.parametrize("rule", [EpisodeSettings(), EIGHT])
def test_a_threshold_at_which_alerts_run_together_is_never_granted(rule: EpisodeSettings) -> None:
    settings = CalibrationSettings(false_alerts_per_hour=MOST_ALERTS, margin=0, episodes=rule)
    calibration = calibrate(PATIENTS, settings)
    p = [calibration.p_value(r.scores) for r in PATIENTS]
    rates = [
        float(np.mean([_false(r, v, t, rule) for r, v in zip(PATIENTS, p, strict=True)]))
        for t in calibration.grid.tolist()
    ]
    peak = rates.index(max(rates))
    assert rates[-1] < 0.2 * rates[peak]  # at a p-value of 0.5 few alerts stand, and stand for ever
    assert calibration.threshold == calibration.grid[peak]
    assert calibration.info.realised == pytest.approx(rates[peak])
    assert (calibration.rates[peak + 1 :] == RUN_TOGETHER).all()
    assert max(row.threshold for row in calibration.info.table) <= calibration.grid[peak]
    wary = calibrate(PATIENTS, CalibrationSettings(margin=5.0, episodes=rule))
    assert wary.threshold_for(MOST_ALERTS) == calibration.threshold


def test_beats_are_odd_at_their_own_share_whatever_is_asked_of_alerts() -> None:
    for requested in (1.0, 20.0):
        settings = CalibrationSettings(
            false_alerts_per_hour=requested, false_positive_rate=0.02, episodes=EIGHT, margin=0
        )
        info = calibrate(PATIENTS, settings).info
        assert info.beat_threshold == 0.02
        assert info.threshold != 0.02
    assert calibrate(PATIENTS, CalibrationSettings()).info.beat_threshold == 0.01


def test_request_made_later_agrees_with_the_one_at_calibration() -> None:
    first = calibrate(PATIENTS, CalibrationSettings(false_alerts_per_hour=2.0, episodes=EIGHT))
    second = calibrate(PATIENTS, CalibrationSettings(false_alerts_per_hour=10.0, episodes=EIGHT))
    assert first.threshold_for(10.0) == second.threshold
    assert first.threshold < second.threshold


def test_table_rises_and_stays_within_each_request() -> None:
    table = calibrate(PATIENTS, CalibrationSettings(episodes=EIGHT)).info.table
    assert all(row.realised <= row.requested for row in table)
    assert all(a.threshold <= b.threshold for a, b in pairwise(table))


def _count(records: list[ScoredRecord], p: list[FloatArray], rule: EpisodeSettings) -> float:
    """False alerts of one patient at a threshold of 0.01."""
    (hours,) = normal_hours(records).values()
    return round(false_alerts_per_hour(records, p, 0.01, rule) * hours, 6)


def test_alert_is_false_unless_an_anomalous_beat_lies_within_150_ms_of_its_span() -> None:
    times = np.arange(1.0, 201.0)
    p = np.ones(200)
    p[[20, 21, 22, 60, 61, 62, 100, 101, 102]] = 0.001

    def rate(anomaly: float) -> float:
        order = np.argsort([*times, anomaly], kind="stable")
        record = ScoredRecord(
            "a",
            np.array([*times, anomaly])[order],
            np.ones(201),
            list(np.array(["N"] * 200 + ["V"])[order]),
            2.0,
        )
        return _count([record], [np.array([*p, 1.0])[order]], EIGHT)

    assert rate(150.0) == 3  # the anomaly is far from all three
    assert rate(21.5) == 2
    assert rate(61.0 - 0.149) == 2
    assert rate(61.0 - 0.151) == 3
    assert rate(63.0 + 0.149) == 2
    assert rate(63.0 + 0.151) == 3


def test_an_alert_that_touches_flutter_is_not_false() -> None:
    times = np.arange(1.0, 201.0)
    p = np.ones(200)
    p[[20, 21, 22, 60, 61, 62]] = 0.001  # two alerts, 21 to 23 s and 61 to 63 s

    def rate(*flutter: tuple[float, float]) -> float:
        record = ScoredRecord("a", times, np.ones(200), ["N"] * 200, 1.0, flutter)
        return _count([record], [p], EIGHT)

    assert rate() == rate((30.0, 50.0)) == 2
    assert rate((23.149, 25.0)) == 1
    assert rate((23.151, 25.0)) == 2
    assert rate((20.0, 20.851)) == 1
    assert rate((0.0, 20.849)) == 2
    assert rate((10.0, 100.0)) == rate((22.0, 22.1), (62.0, math.inf)) == 0


def test_rate_is_the_mean_over_patients_not_over_hours() -> None:
    times = np.arange(1.0, 101.0)
    p = np.ones(100)
    p[10:13] = 0.001
    quiet = ScoredRecord("quiet", times, np.ones(100), ["N"] * 100, 9.0)
    loud = ScoredRecord("loud", times, np.ones(100), ["N"] * 100, 1.0)
    assert false_alerts_per_hour([quiet, loud], [np.ones(100), p], 0.01, EpisodeSettings()) == pytest.approx(
        0.5
    )


def test_an_hour_counts_with_the_share_of_its_beats_that_are_normal() -> None:
    times = np.arange(1.0, 101.0)
    p = np.ones(100)
    p[10:13] = 0.001
    scores = np.ones(100)
    scores[90:] = np.nan  # not scored: no part of the share
    half = ScoredRecord("half", times, scores, ["N"] * 15 + ["V"] * 45 + [""] * 30 + ["V"] * 10, 4.0)
    assert normal_hours([half]) == {"half": 2.0}
    assert false_alerts_per_hour([half], [p], 0.01, EpisodeSettings()) == 0.5
    fluttering = dataclasses.replace(half, flutter=[(61.0, 90.0)])
    assert normal_hours([fluttering, dataclasses.replace(half, hours=2.0)]) == {"half": 2.0}  # 60 of 180


def test_patients_whose_beats_are_nearly_all_anomalous_do_not_move_the_threshold() -> None:
    sick = [
        dataclasses.replace(stream(name, odd_share=0), labels=["V"] * (3000 - normal) + ["N"] * normal)
        for name, normal in (("v1", 0), ("v2", 0), ("v3", 200))
    ]
    settings = CalibrationSettings(method="quantile", false_alerts_per_hour=5.0, episodes=EIGHT)
    alone, joined = calibrate(PATIENTS, settings), calibrate([*PATIENTS, *sick[:2]], settings)
    assert joined.threshold == alone.threshold
    np.testing.assert_array_equal(joined.rates, alone.rates)
    assert joined.info.realised == alone.info.realised
    mine, theirs = (c.info.held_out for c in (alone, joined))
    assert mine is not None
    assert theirs is not None
    assert theirs.alerts is not None
    assert [row.patients and row.patients.n for row in theirs.alerts] == [len(PATIENTS)] * len(theirs.alerts)
    assert "v3" not in normal_hours([*PATIENTS, *sick])
    with pytest.raises(EcgmonError, match="no patient has 10 % normal beats"):
        calibrate(sick, settings)


def test_conformal_gives_patients_the_same_weight_and_quantile_gives_it_to_beats() -> None:
    few, many = stream("few", n=500, shift=20.0, odd_share=0), stream("many", n=20_000, odd_share=0)
    by_patient = calibrate([few, many], CalibrationSettings()).p_value([19.0])[0]
    by_beat = calibrate([few, many], CalibrationSettings(method="quantile")).p_value([19.0])[0]
    assert by_patient == pytest.approx(0.5, abs=0.01)
    assert by_beat < 0.02


def test_quantile_ends_at_one_in_the_number_of_beats_and_the_tail_goes_on() -> None:
    settings = CalibrationSettings(learning_seconds=0)
    counted = calibrate(PATIENTS, CalibrationSettings(method="quantile", learning_seconds=0))
    assert counted.p_value([100.0])[0] == pytest.approx(1 / (counted.info.beats + 1))
    assert calibrate(PATIENTS, settings).p_value([100.0])[0] < 1e-9


def test_beats_that_are_anomalous_unknown_or_not_scored_shape_no_p_value() -> None:
    base = stream("a", odd_share=0)
    marked = ScoredRecord(
        "a",
        base.times,
        np.where(np.arange(3000) % 3 == 0, np.nan, base.scores),
        ["V" if i % 3 == 1 else "" if i % 7 == 0 else "N" for i in range(3000)],
        base.hours,
    )
    keep = [i for i in range(3000) if i % 3 == 2 and i % 7]
    alone = ScoredRecord("a", base.times[keep], base.scores[keep], ["N"] * len(keep), base.hours)
    grid = np.linspace(0, 15, 100)
    settings = CalibrationSettings(learning_seconds=0)
    np.testing.assert_array_equal(
        calibrate([marked], settings).p_value(grid), calibrate([alone], settings).p_value(grid)
    )


def test_learning_time_is_left_out() -> None:
    record = stream("a", odd_share=0)
    loud = record.scores.copy()
    loud[record.times < 300] += 100
    noisy_start = ScoredRecord("a", record.times, loud, record.labels, record.hours)
    assert (
        calibrate([noisy_start], CalibrationSettings()).threshold
        == calibrate([record], CalibrationSettings()).threshold
    )


def test_f_beta_is_the_best_of_all_thresholds() -> None:
    rng = np.random.default_rng(0)
    odd = rng.random(300) < 0.3
    p = np.asarray(np.round(np.where(odd, rng.beta(1, 4, 300), rng.random(300)), 2), np.float64)

    def f(threshold: float, beta: float) -> float:
        called = p <= threshold
        hits = np.sum(called & odd)
        return float((1 + beta**2) * hits / (called.sum() + beta**2 * odd.sum()))

    for beta in (0.5, 1.0, 2.0):
        best = best_f_beta(p, odd, beta)
        assert f(best, beta) == pytest.approx(max(f(float(t), beta) for t in np.unique(p)))
    assert best_f_beta(p, odd, 0.5) < best_f_beta(p, odd, 2.0)


def test_f_beta_without_labelled_anomalies_says_what_to_do() -> None:
    with pytest.raises(EcgmonError, match=r"needs labelled anomalous beats.*use 'conformal'"):
        calibrate([stream("a", odd_share=0)], CalibrationSettings(method="f-beta"))
    scores = np.random.default_rng(0).gamma(2, size=100)
    with pytest.raises(EcgmonError, match="needs labelled anomalous beats"):
        calibrate_windows(scores, np.zeros(100, np.bool_), None, CalibrationSettings(method="f-beta"))


@pytest.mark.parametrize(
    "records", [[], [ScoredRecord("a", np.array([400.0]), np.array([np.nan]), ["N"], 1.0)]]
)
def test_nothing_scored_is_one_clear_error(records: list[ScoredRecord]) -> None:
    with pytest.raises(EcgmonError, match="no normal beat has a score"):
        calibrate(records, CalibrationSettings())


def test_request_that_the_hours_cannot_show_is_said_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        calibration = calibrate(PATIENTS, CalibrationSettings(false_alerts_per_hour=0.01))
    assert "cannot be told from none" in caplog.text
    assert calibration.info.realised == 0


def test_with_a_margin_more_hours_are_needed_to_tell_a_request_from_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    later = [after_learning(record, 300) for record in PATIENTS]
    once = 1 / sum(normal_hours(later).values())  # one alert in all normal hours
    for times, margin, told in ((1.01, 0, True), (0.99, 0, False), (2.01, 1, True), (1.99, 1, False)):
        caplog.clear()
        calibrate(PATIENTS, CalibrationSettings(false_alerts_per_hour=times * once, margin=margin))
        assert ("cannot be told from none" in caplog.text) != told


def test_windows_get_the_share_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    odd = rng.random(5000) < 0.1
    scores = rng.gamma(2, size=5000) + 5 * odd
    calibration = calibrate_windows(scores, odd, None, CalibrationSettings(false_positive_rate=0.05))
    assert calibration.info.realised == pytest.approx(0.05, abs=0.002)
    rows = {row.requested: row for row in calibration.info.table}
    assert rows[0.05].realised == calibration.info.realised
    normal = calibration.p_value(scores[~odd])
    for share, row in rows.items():
        assert row.threshold == share
        assert row.realised == np.mean(normal <= share)
    fresh = calibration.p_value(rng.gamma(2, size=20_000))
    assert np.mean(fresh <= calibration.threshold) == pytest.approx(0.05, abs=0.01)


def test_calibration_travels_as_metadata_and_arrays() -> None:
    calibration = calibrate(PATIENTS, CalibrationSettings())
    again = Calibration.from_parts(calibration.info, calibration.tensors())
    grid = np.linspace(0, 40, 200)
    np.testing.assert_array_equal(again.p_value(grid), calibration.p_value(grid))
    assert [again.threshold_for(r) for r in (0.1, 1, 9)] == [
        calibration.threshold_for(r) for r in (0.1, 1, 9)
    ]


def test_parts_that_do_not_fit_are_refused() -> None:
    calibration = calibrate(PATIENTS, CalibrationSettings())
    arrays = calibration.tensors()
    with pytest.raises(ValueError, match="'grid' and 'rates'"):
        Calibration.from_parts(calibration.info, {**arrays, "rates": arrays["rates"][1:]})


@pytest.mark.parametrize(
    ("array", "change", "says"),
    [
        ("steps", lambda a: 2 * a, "leaves the probabilities"),
        ("steps", lambda a: a - a[-1], "leaves the probabilities"),
        ("tail", lambda a: a * [1, 1, 1, -1], "no Pareto"),
        ("tail", lambda a: a * [1, 1, 1, 0], "no Pareto"),
        ("grid", lambda a: a[::-1], "ascending probabilities"),
        ("grid", lambda a: 3 * a, "ascending probabilities"),
        ("rates", lambda a: -1 - a, "do not rise"),
    ],
)
def test_arrays_that_make_no_sense_are_no_calibration(
    array: str, change: Callable[[Any], Any], says: str
) -> None:
    good = calibrate(PATIENTS, CalibrationSettings())
    arrays = good.tensors()
    Calibration.from_parts(good.info, arrays)
    with pytest.raises(ValueError, match=says):
        Calibration.from_parts(good.info, arrays | {array: change(arrays[array])})


@pytest.mark.parametrize("which", ["threshold", "beat_threshold"])
@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1])
def test_a_threshold_that_is_no_probability_is_no_calibration(which: str, threshold: float) -> None:
    good = calibrate(PATIENTS, CalibrationSettings())
    info = msgspec.structs.replace(good.info, **{which: threshold})
    with pytest.raises(ValueError, match="no probability"):
        Calibration.from_parts(info, good.tensors())


def test_recordings_that_end_while_learning_are_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    short = stream("brief", n=300)
    info = calibrate([*PATIENTS, short], CalibrationSettings()).info
    assert info.patients == len(PATIENTS)
    assert "a recording of brief is left out" in caplog.text
    with pytest.raises(EcgmonError, match=r"none of the recordings is longer than the 300 s .*: brief"):
        calibrate([short], CalibrationSettings())


def test_f_beta_claims_no_rate() -> None:
    info = calibrate(PATIENTS, CalibrationSettings(method="f-beta", false_alerts_per_hour=3.0)).info
    assert info.requested is None
    assert info.held_out is not None
    assert info.held_out.alerts is None
    assert 3.0 not in [row.requested for row in info.table]
    scores, odd = PATIENTS[0].scores, np.array(PATIENTS[0].labels) == "V"
    assert calibrate_windows(scores, odd, None, CalibrationSettings(method="f-beta")).info.requested is None


def test_f_beta_has_one_threshold_for_beats_and_alerts_and_so_have_windows() -> None:
    settings = CalibrationSettings(method="f-beta", false_positive_rate=0.3)
    scores, odd = PATIENTS[0].scores, np.array(PATIENTS[0].labels) == "V"
    for info in (
        calibrate(PATIENTS, settings).info,
        calibrate_windows(scores, odd, None, settings).info,
        calibrate_windows(scores, odd, None, CalibrationSettings(false_positive_rate=0.3)).info,
    ):
        assert info.threshold == info.beat_threshold
        assert (info.threshold == 0.3) == (info.method == "conformal")
