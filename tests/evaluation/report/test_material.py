"""What a timeline shows agrees with what was counted."""

from __future__ import annotations

from ecgmon.ecg.types import Quality
from ecgmon.evaluation.alarms import Raised
from ecgmon.evaluation.report.material import bad_spans, judged_alerts
from ecgmon.evaluation.report.timeline import timeline_picture
from tests.evaluation.report.made import Made, made, record


def test_seconds_of_bad_signal_are_joined() -> None:
    seconds = [
        Quality(1),
        Quality(2, flat=True),
        Quality(3, noisy=True),
        Quality(5, missing=True),
        Quality(4),
    ]
    assert bad_spans(seconds) == [(2.0, 4.0), (5.0, 6.0)]
    assert bad_spans([]) == []


def test_each_alert_keeps_its_own_verdict(two: Made) -> None:
    a, b = two.material.traces
    assert [(alert.onset, true) for alert, true in a.alerts] == [(1.0, True)]  # the noise alert is no part
    assert [(alert.onset, true) for alert, true in b.alerts] == [(0.9, False)]


def test_alerts_of_the_learning_time_have_no_verdict(two: Made) -> None:
    early = Raised("anomalous-beats", 0.0, 0.5, 0.6)
    counted = two.tallies["a"].alerts
    late = Raised("anomalous-beats", 1.0, 2.0, 3.5)
    assert [true for _, true in judged_alerts([early, late], counted, learning=1.0)] == [None, True]


def test_flags_on_normal_beats_are_wrong_ones(two: Made) -> None:
    a = two.material.traces[0]
    assert a.odd.tolist() == [1.0, 2.0, 4.0, 5.0]
    assert a.wrong.tolist() == [False, False, True, False]


def test_the_alternative_text_says_what_there_is_to_see(two: Made) -> None:
    alt = timeline_picture("t", two.material.traces[0]).alt
    assert "4 V" in alt
    assert "4 beats flagged, 1 of them wrongly" in alt
    assert "1 true and 0 false alerts" in alt
    assert "1 of 1 runs of V beats raised one" in alt
    assert "2 s of flutter" in alt
    assert "1 s of bad signal" in alt


def test_a_run_that_no_alert_touched_is_said_so_and_flutter_may_have_no_end() -> None:
    one = made(record("r", "NVVVN[!", [0.0] * 5)).material.traces[0]
    alt = timeline_picture("t", one).alt
    assert "0 of 1 runs of V beats raised one" in alt
    assert "2 s of flutter" in alt
