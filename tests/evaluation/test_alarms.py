"""Alerts are judged by the annotated beats in their span, episodes by the alerts that touch them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ecgmon.ecg.types import Alert, AlertKind, AlertState, ModelRef
from ecgmon.evaluation.alarms import Raised, judge, raised
from ecgmon.evaluation.reference import Reference, reference

START = 1_000_000.0


def message(key: str, state: AlertState, onset: float, end: float, time: float) -> Alert:
    kind: AlertKind = "pause" if key.startswith("pause") else "anomalous-beats"
    return Alert(
        id=key, stream="s", kind=kind, state=state, severity="warning", onset=START + onset, end=START + end,
        time=START + time, beats=3, score=1.0, p_value=0.0, threshold=0.01, heart_rate=60.0, evidence=None,
        model=ModelRef(name="m", hash="h"),
    )  # fmt: skip


def annotated(text: str, first: float = 0.0) -> Reference:
    """One beat a second from ``first`` s on."""
    samples = np.array([round((first + k) * 360) for k in range(len(text))], dtype=np.int64)
    return reference(samples, list(text), 360.0)


def alert(onset: float, end: float, time: float | None = None) -> Raised:
    return Raised("anomalous-beats", onset, end, end if time is None else time)


def test_the_clearing_message_gives_the_end_and_the_raising_one_the_moment() -> None:
    messages = [
        message("a", "raised", 10, 12, 13),
        message("pause", "raised", 20, 20, 22),
        message("a", "cleared", 10, 40, 55),
        message("b", "raised", 60, 62, 63),
    ]
    assert raised(messages, START) == [
        Raised("anomalous-beats", 10, 40, 13),
        Raised("pause", 20, 20, 22),
        Raised("anomalous-beats", 60, 62, 63),
    ]


@pytest.mark.parametrize(
    ("onset", "end", "true"),
    [(5.0, 7.0, True), (5.15, 7.0, True), (5.16, 7.0, False), (3.0, 4.85, True), (3.0, 4.84, False)],
)
def test_an_alert_is_true_with_an_anomalous_beat_in_its_span(onset: float, end: float, true: bool) -> None:
    assert judge([alert(onset, end)], annotated("NNNNNVNNN"), 0.0).true.tolist() == [true]


def test_an_alert_during_flutter_is_true() -> None:
    truth = annotated("NNN[!!!]NNN")
    assert judge([alert(4, 5), alert(8.5, 10)], truth, 0.0).true.tolist() == [True, False]


def test_an_alert_that_stands_when_learning_ends_counts_as_raised_there() -> None:
    tally = judge([alert(1, 9, time=2)], annotated("NNNNVVVN"), 3.0)
    assert tally.true.tolist() == [True]
    assert (tally.delay.tolist(), tally.stood.tolist()) == ([0.0], [True])
    assert judge([alert(1, 4, time=2)], annotated("VVNNNVVV"), 3.0).true.tolist() == [True]  # its whole span
    assert judge([alert(2, 4, time=2)], annotated("VVNNNVVV"), 3.0).true.tolist() == [False]
    assert judge([alert(1, 4, time=3)], annotated("VVNNNVVV"), 3.0).true.tolist() == [True]  # raised later
    assert judge([alert(1, 2.5, time=3)], annotated("VVNNNVVV"), 3.0).true.tolist() == [True]  # decided later
    assert judge([alert(1, 2.9, time=2)], annotated("VVNNNVVV"), 3.0).true.tolist() == []
    assert judge([alert(1, 9, time=2)], annotated("NNNNVVVN"), 3.0, [(5.0, 9.0)]).true.tolist() == []


def test_an_episode_that_raises_its_alert_early_has_no_delay_and_is_not_one_that_met_an_alert() -> None:
    truth = annotated("NNVVVVN")
    for time, stood in ((1.9, True), (2.0, False), (3.5, False)):
        tally = judge([alert(1, 6, time=time)], truth, 0.0)
        assert (tally.delay.tolist(), tally.stood.tolist()) == ([0.0], [stood])


def test_an_alert_that_begins_with_the_episode_counts_before_one_that_stood() -> None:
    truth = annotated("NNVVVVN")
    tally = judge([alert(0, 3, time=1), alert(2, 5, time=5.5)], truth, 0.0)
    assert (tally.delay.tolist(), tally.stood.tolist()) == ([1.5], [False])
    tally = judge([alert(0, 3, time=1), alert(6, 7, time=8)], truth, 0.0)
    assert (tally.delay.tolist(), tally.stood.tolist()) == ([0.0], [True])


def test_time_and_normal_beats_within_alerts_are_counted_once() -> None:
    alerts = [alert(1, 6), alert(4, 8), alert(10, 12), Raised("pause", 0, 20, 1)]
    normal = np.array([0.0, 3.0, 5.0, 7.0, 9.0, 11.0])
    tally = judge(alerts, annotated("N" * 20), 2.0, scored=[(2.0, 11.0)], normal=normal[1:])
    assert tally.inside == 6.0 + 1.0
    assert (tally.normal_inside, tally.normal) == (4, 5)


def test_the_delay_counts_from_the_third_r_peak_to_the_first_alert() -> None:
    truth = annotated("NNVVVVVN")
    late, later = alert(2, 6, time=7.25), alert(3, 6, time=9)
    assert judge([later, late], truth, 0.0).delay.tolist() == [pytest.approx(3.25)]


def test_an_episode_without_alert_has_no_delay() -> None:
    tally = judge([alert(8, 9)], annotated("NVVVNNNNN"), 0.0)
    assert len(tally.delay) == 1
    assert math.isnan(tally.delay[0])


def test_episodes_that_begin_while_learning_do_not_count() -> None:
    assert len(judge([], annotated("VVVNNVVV"), 3.0).delay) == 1


def test_other_kinds_are_listed_apart() -> None:
    pauses = [Raised("pause", t, t, t) for t in (1.0, 5.0, 6.0)]
    tally = judge(pauses, annotated("NNN"), 2.0)
    assert tally.other == {"pause": 2}
    assert len(tally.true) == 0
