"""What a calibration realises on patients it was not made from."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest

from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.model import held_out
from ecgmon.model.calibrating import calibrate, calibrate_windows
from ecgmon.model.calibration import MOST_ALERTS, CalibrationInfo, CalibrationSettings
from ecgmon.model.false_alerts import ScoredRecord, false_alerts_by_patient
from ecgmon.model.held_out import hold_out, hold_out_windows
from ecgmon.model.realised import RealisedRate

SETTINGS = CalibrationSettings(
    learning_seconds=0,
    false_alerts_per_hour=3.0,
    episodes=EpisodeSettings(clear_beats=8, clear_seconds=30.0),
)


def stream(patient: str, n: int = 2000, shift: float = 0.0, label: str = "N") -> ScoredRecord:
    """A patient with 0.8 s between beats, all of one class."""
    rng = np.random.default_rng([1, *patient.encode()])
    times = np.asarray(0.8 * np.arange(1, n + 1), np.float64)
    return ScoredRecord(patient, times, rng.gamma(2, size=n) + shift, [label] * n, float(times[-1]) / 3600)


ALIKE = [stream(name) for name in "abcdef"]


def row(rows: list[RealisedRate] | None, requested: float) -> RealisedRate:
    assert rows is not None
    return next(row for row in rows if row.requested == requested)


def test_patients_who_are_alike_realise_what_was_requested() -> None:
    found = hold_out(ALIKE, SETTINGS)
    assert found is not None
    assert (found.groups, found.patients) == (6, 6)
    percent = row(found.false_positives, 0.01)
    assert percent.ratio == pytest.approx(1, abs=0.3)
    assert percent.patients is not None
    assert percent.patients.n == 6
    low, high = percent.patients.quartiles
    assert low <= percent.patients.median <= high <= percent.patients.max
    ten = row(found.alerts, 10.0)
    assert ten.ratio == pytest.approx(1, abs=0.3)


def test_one_patient_unlike_the_others_is_seen_held_out_and_nowhere_else() -> None:
    records = [*ALIKE[:5], stream("strange", shift=2.5)]
    calibration = calibrate(records, SETTINGS)
    assert calibration.info.realised <= 3.0
    found = calibration.info.held_out
    assert found is not None
    three = row(found.alerts, 3.0)  # the request itself is among the rows
    assert three.patients is not None
    assert three.patients.max > 20
    assert three.patients.median < 3.0
    percent = row(found.false_positives, 0.01)
    assert percent.patients is not None
    assert percent.patients.max > 0.05
    assert percent.patients.median < 0.015


def test_held_out_a_request_beyond_all_alerts_gets_the_most_that_there_are() -> None:
    """Not the few that are left where alerts run into each other."""
    found = hold_out(ALIKE, msgspec.structs.replace(SETTINGS, false_alerts_per_hour=MOST_ALERTS))
    assert found is not None
    ten, most = row(found.alerts, 10.0), row(found.alerts, MOST_ALERTS)
    assert ten.realised is not None
    assert most.realised is not None
    assert most.realised > 2 * ten.realised


def test_held_out_figures_are_those_of_a_calibration_on_the_others() -> None:
    records = [*ALIKE[:3], stream("strange", shift=2.0)]
    found = hold_out(records, SETTINGS)
    assert found is not None
    rates: list[float] = []
    shares: list[float] = []
    for left_out in records:
        others = calibrate([record for record in records if record is not left_out], SETTINGS)
        p = others.p_value(left_out.scores)
        rates += false_alerts_by_patient([left_out], [p], others.threshold, SETTINGS.episodes).values()
        shares.append(float(np.mean(p <= 0.01)))
    three, percent = row(found.alerts, 3.0), row(found.false_positives, 0.01)
    assert three.realised == pytest.approx(np.mean(rates))
    assert percent.realised == pytest.approx(np.mean(shares))  # as many beats of each
    assert three.patients is not None
    assert percent.patients is not None
    assert three.patients.max == pytest.approx(max(rates))
    assert percent.patients.quartiles == pytest.approx(np.percentile(shares, [25, 75]))


def test_detections_that_no_annotation_knows_count_as_normal_and_flutter_does_not() -> None:
    invented = dataclasses.replace(stream("strange", shift=50.0), labels=[""] * 2000)
    found = hold_out([*ALIKE[:4], invented], SETTINGS)
    assert found is not None
    loudest = row(found.false_positives, 0.01).patients
    assert loudest is not None
    assert loudest.max == 1.0
    fluttering = dataclasses.replace(invented, flutter=((0.0, np.inf),))
    found = hold_out([*ALIKE[:4], fluttering], SETTINGS)
    assert found is not None
    quiet = row(found.false_positives, 0.01).patients
    assert quiet is not None
    assert (quiet.n, quiet.max < 0.1) == (4, True)
    alerts = row(found.alerts, 10.0).patients
    assert alerts is not None
    assert (alerts.n, alerts.max < 20) == (4, True)


def test_recordings_of_one_patient_are_left_out_together() -> None:
    found = hold_out([*ALIKE, dataclasses.replace(ALIKE[0], patient="b")], SETTINGS)
    assert found is not None
    assert (found.groups, found.patients) == (6, 6)


def test_many_patients_are_left_out_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "MOST_GROUPS", 4)
    found = hold_out(ALIKE, SETTINGS)
    assert found is not None
    assert (found.groups, found.patients) == (4, 6)


@pytest.mark.parametrize(
    "records", [ALIKE[:2], [*ALIKE[:2], stream("ectopic", label="V"), stream("paced", label="Q")]]
)
def test_nobody_is_held_out_of_fewer_than_three_with_normal_beats(records: list[ScoredRecord]) -> None:
    assert hold_out(records, SETTINGS) is None
    assert calibrate(records, SETTINGS).info.held_out is None


def test_windows_are_held_out_by_patient_and_not_at_all_without() -> None:
    scores = np.concatenate([record.scores for record in ALIKE])
    patients = [record.patient for record in ALIKE for _ in record.times]
    odd = np.zeros(scores.size, np.bool_)
    found = calibrate_windows(scores, odd, patients, CalibrationSettings(false_positive_rate=0.02)).info
    assert found.held_out is not None
    assert found.held_out.alerts is None
    assert [r.requested for r in found.held_out.false_positives] == [0.001, 0.005, 0.01, 0.02, 0.05]
    assert row(found.held_out.false_positives, 0.02).ratio == pytest.approx(1, abs=0.3)
    assert calibrate_windows(scores, odd, None, CalibrationSettings()).info.held_out is None
    assert hold_out_windows({"a": scores[:5], "b": scores[5:9], "c": scores[:0]}, SETTINGS) is None


def test_figures_travel_with_the_bundle_and_older_ones_have_none() -> None:
    info = calibrate(ALIKE, SETTINGS).info
    assert msgspec.json.decode(msgspec.json.encode(info), type=CalibrationInfo) == info
    older = msgspec.to_builtins(info)
    del older["held_out"]
    assert msgspec.convert(older, CalibrationInfo).held_out is None
