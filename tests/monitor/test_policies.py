"""Alert policies and messages on beats made by hand."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.ecg.types import WINDOW, Alert, Beat, ModelRef, Quality, Score
from ecgmon.monitor import snapshot
from ecgmon.monitor.alerting import StreamAlerts, alert_id
from ecgmon.monitor.policies import AlertSettings, LeadOffSettings
from ecgmon.monitor.policies.heart_rate import HeartRate

MODEL = ModelRef(name="m", hash="abc")
EPOCH = 1_700_000_000.0
EIGHT = AlertSettings(anomalous_beats=EpisodeSettings(clear_beats=8, clear_seconds=30.0))


def beat(index: int, r: float, *, rr: float = 0.8, good: bool = True) -> Beat:
    window = np.full(WINDOW, 0.1 * index, np.float32)
    return Beat(index, r, r + 1.5, window, 1.0, rr, 0.8, good)


def score(p: float) -> Score:
    return Score(1 - p, p, p <= 0.05, p <= 0.01, {"qrs": 1 - p}, np.zeros(WINDOW, np.float32))


def alerts(settings: AlertSettings | None = None) -> StreamAlerts:
    return StreamAlerts("bed-1", settings or EIGHT, MODEL, 0.01)


def play(stream: StreamAlerts, pattern: str, *, rr: float = 0.8, start: float = 0.0) -> list[Alert]:
    """'x' an alarming beat, 'X' a very odd one, 'o' one that is odd and not alarming, '.' a calm one, '?' one
    that was not scored."""
    found = []
    for i, mark in enumerate(pattern):
        p = {"x": 0.005, "X": 0.0001, "o": 0.02, ".": 0.5}.get(mark)
        one = beat(i, start + i * rr, rr=rr, good=p is not None)
        found += stream.beat(one, None if p is None else score(p), EPOCH)
    return found


def seconds(stream: StreamAlerts, pattern: str, first: int = 0) -> list[Alert]:
    """'f' flat, 'n' noisy, 'c' clipped, 'm' missing, '.' good."""
    found = []
    for i, mark in enumerate(pattern, first):
        quality = Quality(i, flat=mark == "f", clipped=mark == "c", noisy=mark == "n", missing=mark == "m")
        found += stream.second(quality, EPOCH)
    return found


def test_raised_and_cleared_have_one_id_and_the_onset_of_the_first_odd_beat() -> None:
    raised, cleared = play(alerts(), "..x.X.x........")
    assert (raised.state, cleared.state) == ("raised", "cleared")
    assert raised.id == cleared.id == alert_id("bed-1", "anomalous-beats", EPOCH + 1.6, "abc")
    assert raised.onset == cleared.onset == pytest.approx(EPOCH + 1.6)
    assert raised.time == pytest.approx(EPOCH + 4.8)
    assert raised.end == pytest.approx(EPOCH + 4.8)
    assert raised.beats == 3


def test_evidence_is_the_oddest_beat_and_names_the_odd_r_peaks() -> None:
    raised, _ = play(alerts(), "..x.X.x........")
    assert raised.evidence is not None
    assert raised.evidence.window == pytest.approx([0.4] * WINDOW)
    assert raised.evidence.error == pytest.approx(0.4, abs=1e-4)
    assert raised.evidence.r_peaks == pytest.approx([EPOCH + 1.6, EPOCH + 3.2, EPOCH + 4.8])
    assert (raised.p_value, raised.threshold) == (0.0001, 0.01)


def test_the_cleared_alert_carries_what_came_after_raising() -> None:
    raised, cleared = play(alerts(), "xxx..X........")
    assert (raised.p_value, cleared.p_value) == (0.005, 0.0001)
    assert (raised.beats, cleared.beats) == (3, 4)


def test_evidence_keeps_the_last_32_r_peaks() -> None:
    *_, cleared = play(alerts(), "x" * 100 + "." * 8)
    assert cleared.evidence is not None
    assert len(cleared.evidence.r_peaks) == 32
    assert cleared.evidence.r_peaks[-1] == pytest.approx(EPOCH + 99 * 0.8)


def test_the_oddest_beat_is_found_as_far_back_as_an_onset_can_lie() -> None:
    """For 10 s after an alert none is raised, but odd beats are counted: all eight of the last then."""
    *_, raised = play(alerts(), "xxx" + "." * 8 + "xxxxxXxxxxxxx")
    assert raised.onset == pytest.approx(EPOCH + 16 * 0.8)
    assert raised.evidence is not None
    assert raised.evidence.window == pytest.approx([1.6] * WINDOW)


def test_what_a_stream_keeps_does_not_grow_with_its_odd_beats() -> None:
    stream, kept = alerts(), {}
    for n in range(256):
        play(stream, "x", start=float(n))
        seconds(stream, ".", n)
        kept[n] = len(snapshot.encode(stream.save()))
    assert kept[16] < kept[255] < kept[16] + 500  # R-peaks, and longer numbers


def test_three_fast_odd_beats_in_a_row_are_critical() -> None:
    assert play(alerts(), "xxx", rr=0.5)[0].severity == "critical"


@pytest.mark.parametrize(("pattern", "rr"), [("xxx", 0.8), ("xx.x", 0.5), ("xx?x", 0.5)])
def test_slow_or_scattered_odd_beats_are_a_warning(pattern: str, rr: float) -> None:
    assert play(alerts(), pattern, rr=rr)[0].severity == "warning"


def test_a_run_after_raising_is_a_critical_alert_of_its_own() -> None:
    stream = alerts()
    raised, ended, worse, cleared = play(stream, "x.x.x.xxX........", rr=0.5)
    assert [a.state for a in (raised, ended, worse, cleared)] == ["raised", "cleared", "raised", "cleared"]
    assert (raised.severity, worse.severity, cleared.severity) == ("warning", "critical", "critical")
    assert raised.id == ended.id != worse.id == cleared.id
    assert (ended.end, worse.onset) == (EPOCH + 3.5, EPOCH + 3.0)
    assert (ended.beats, worse.beats) == (5, 3)
    assert ended.evidence is not None
    assert ended.p_value == 0.005  # of its own beats
    assert max(ended.evidence.r_peaks) == EPOCH + 3.5
    assert "run" not in {finding.code for finding in ended.evidence.findings}
    assert not stream.standing


def test_beats_that_were_not_scored_are_neither_odd_nor_calm() -> None:
    states = [a.state for a in play(alerts(), "x?x?x" + "?" * 10)]
    assert states == ["raised"]


def test_beats_that_are_odd_and_not_alarming_raise_nothing_and_count_as_calm() -> None:
    assert score(0.02).odd
    assert play(alerts(), "o" * 64) == []
    assert play(alerts(), "xx" + "o" * 6) == []
    raised, cleared = play(alerts(), "xxx" + "o" * 8, rr=0.5)
    assert (raised.state, cleared.state) == ("raised", "cleared")
    assert cleared.beats == 3
    assert cleared.evidence is not None
    assert cleared.evidence.r_peaks == pytest.approx([EPOCH, EPOCH + 0.5, EPOCH + 1.0])
    assert play(alerts(), "xxox", rr=0.5)[0].severity == "warning"


def test_an_alert_is_cleared_by_the_defaults_of_the_rule_unless_told_otherwise() -> None:
    rule = EpisodeSettings()
    raised, cleared = play(alerts(AlertSettings()), "xxx" + "." * (rule.clear_beats + 8))
    assert (raised.state, cleared.state) == ("raised", "cleared")
    assert cleared.time == pytest.approx(EPOCH + (2 + rule.clear_beats) * 0.8 + 1.5)
    stream = alerts(AlertSettings())
    play(stream, "xxx")
    found = [a for a in seconds(stream, "." * (int(rule.clear_seconds) + 10)) if a.kind == "anomalous-beats"]
    assert [a.time for a in found] == pytest.approx([EPOCH + 1.6 + rule.clear_seconds])


def test_seconds_without_beats_clear_an_alert() -> None:
    stream = alerts()
    play(stream, "xxx")
    cleared = [a for a in seconds(stream, "." * 40) if a.kind == "anomalous-beats"]
    assert [a.state for a in cleared] == ["cleared"]
    assert cleared[0].time == pytest.approx(EPOCH + 1.6 + 30.0)


def test_the_end_of_the_stream_clears_what_stands() -> None:
    stream = alerts()
    (raised,) = play(stream, "xxx")
    assert list(stream.standing) == ["anomalous-beats"]
    (cleared,) = stream.end(3.0, EPOCH)
    assert (cleared.id, cleared.state, cleared.time) == (raised.id, "cleared", EPOCH + 3.0)
    assert not stream.standing
    assert stream.end(3.0, EPOCH) == []


def test_a_flat_line_is_lead_off_at_once_and_clears_after_three_good_seconds() -> None:
    raised, cleared = seconds(alerts(), "..ffff....")
    assert (raised.kind, raised.state, raised.onset, raised.time) == (
        "lead-off",
        "raised",
        EPOCH + 2,
        EPOCH + 3,
    )
    assert (cleared.state, cleared.end, cleared.time) == ("cleared", EPOCH + 6, EPOCH + 9)
    assert raised.id == cleared.id
    assert raised.score is None
    assert raised.evidence is None


def test_a_short_flat_stretch_is_nothing() -> None:
    three = AlertSettings(lead_off=LeadOffSettings(raise_seconds=3))
    assert seconds(alerts(three), "ff..ff..ff..f.f.") == []


def test_a_single_good_second_does_not_end_lead_off() -> None:
    assert [a.state for a in seconds(alerts(), "fff.f.f")] == ["raised"]


def test_long_noise_means_not_analysing_and_is_not_lead_off() -> None:
    found = seconds(alerts(), "nnncc" * 3 + "." * 5)
    assert [(a.kind, a.state) for a in found] == [("noise", "raised"), ("noise", "cleared")]


def test_missing_seconds_say_nothing_either_way() -> None:
    assert [a.state for a in seconds(alerts(), "ffmmmmf" + "mmmm")] == ["raised"]


def test_a_condition_can_be_switched_off() -> None:
    assert seconds(alerts(AlertSettings(lead_off=LeadOffSettings(enabled=False))), "f" * 10) == []


def test_the_id_depends_on_stream_kind_onset_and_model() -> None:
    ids = {
        alert_id("a", "noise", 1.0, "h"), alert_id("b", "noise", 1.0, "h"), alert_id("a", "pause", 1.0, "h"),
        alert_id("a", "noise", 1.001, "h"), alert_id("a", "noise", 1.0, "g"),
    }  # fmt: skip
    assert len(ids) == 5
    assert alert_id("a", "noise", 1.0001, "h") in ids


def test_a_clock_correction_between_raised_and_cleared_keeps_id_and_onset() -> None:
    stream = alerts()
    (raised,) = play(stream, "xxx")
    (cleared,) = stream.end(3.0, EPOCH + 5.0)
    assert (cleared.id, cleared.onset) == (raised.id, raised.onset)


def test_heart_rate_is_the_median_of_recent_intervals() -> None:
    rate = HeartRate()
    for i, rr in enumerate([float("nan"), 0.75, 0.75, 1.5, 0.75]):
        assert rate.at(float(i)) is None or i > 3
        rate.beat(beat(i, float(i), rr=rr))
    assert rate.at(4.0) == 80.0


def test_there_is_no_heart_rate_across_a_gap_or_long_after_the_last_beat() -> None:
    rate = HeartRate()
    for i in range(5):
        rate.beat(beat(i, i * 0.8, rr=0.8))
    assert rate.at(4.0) == 75.0
    assert rate.at(20.0) is None
    rate.beat(beat(5, 4.0, rr=float("nan")))
    assert rate.at(4.0) is None


def test_beats_that_may_be_artefacts_do_not_count_for_the_heart_rate() -> None:
    rate = HeartRate()
    for i in range(12):
        rate.beat(beat(i, i * 0.8, rr=0.8 if i < 6 else 0.2, good=i < 6))
    assert rate.at(9.0) == 75.0
    assert rate.at(14.1) is None


def test_an_alert_is_plain_json() -> None:
    (raised,) = play(alerts(), "xxx")
    decoded = msgspec.json.decode(msgspec.json.encode(raised), type=Alert)
    assert decoded == raised


def limits(**keys: object) -> AlertSettings:
    return msgspec.structs.replace(EIGHT, **keys)


def test_new_limits_of_odd_beats_hold_at_once_where_nothing_stands() -> None:
    stream = alerts()
    assert play(stream, "xx..") == []
    stream.configure(limits(anomalous_beats=EpisodeSettings(raise_beats=2, of_beats=4)))
    raised = play(stream, "x.x", start=4.0)
    assert [a.state for a in raised] == ["raised"]
    assert raised[0].onset == pytest.approx(EPOCH + 4.0)


def test_an_alert_that_stands_ends_by_the_limits_that_raised_it() -> None:
    stream = alerts()
    (raised,) = play(stream, "xxx")
    stream.configure(limits(anomalous_beats=EpisodeSettings(raise_beats=1, of_beats=1, clear_beats=2)))
    assert stream.standing["anomalous-beats"].id == raised.id
    (cleared,) = play(stream, "........", start=2.4)
    assert (cleared.id, cleared.state) == (raised.id, "cleared")
    assert cleared.time == pytest.approx(EPOCH + 2.4 + 7 * 0.8 + 1.5)
    seconds(stream, ".", 19)
    again = play(stream, "x..", start=20.0)
    assert [a.state for a in again] == ["raised", "cleared"]


def test_the_same_limits_again_forget_no_beat() -> None:
    stream = alerts()
    assert play(stream, "xx.") == []
    stream.configure(limits())
    assert [a.state for a in play(stream, "x", start=2.4)] == ["raised"]


def test_new_limits_wait_until_nothing_stands() -> None:
    stream = alerts()
    (raised,) = play(stream, "xxx")
    stream.configure(limits(anomalous_beats=EpisodeSettings(raise_beats=1, of_beats=1)))
    assert stream.settings == EIGHT
    play(stream, "........", start=2.4)
    seconds(stream, ".", 10)
    assert stream.settings.anomalous_beats.raise_beats == 1
    assert raised.kind not in stream.standing
