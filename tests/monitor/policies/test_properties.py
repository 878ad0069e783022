"""What holds for every alarm, whatever beats and seconds come."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ecgmon.ecg.types import Alert
from ecgmon.monitor.alerting import StreamAlerts
from ecgmon.monitor.policies import AlertSettings, LeadOffSettings
from ecgmon.monitor.policies.asystole import AsystoleSettings, PauseSettings
from ecgmon.monitor.policies.condition import ConditionSettings
from ecgmon.monitor.policies.line import RARE_SECONDS
from ecgmon.monitor.policies.rate import BradycardiaSettings, TachycardiaSettings

Bed = Callable[..., list[Alert]]

SIGNALS = st.lists(
    st.tuples(st.sampled_from("..qqfrrncmgs"), st.integers(1, 14)), min_size=1, max_size=14
).map(lambda parts: "".join(mark * length for mark, length in parts))
INTERVALS = st.lists(st.one_of(st.floats(0.25, 1.3), st.floats(0.25, 1.3), st.floats(1.3, 12.0)), max_size=60)
SETTINGS = st.builds(
    AlertSettings,
    asystole=st.builds(AsystoleSettings, enabled=st.booleans(), seconds=st.floats(2, 10)),
    pause=st.builds(PauseSettings, seconds=st.floats(1, 6), clear_seconds=st.floats(0, 20)),
    bradycardia=st.builds(BradycardiaSettings, below=st.floats(20, 80), hysteresis=st.floats(0, 20)),
    tachycardia=st.builds(TachycardiaSettings, above=st.floats(60, 200), hysteresis=st.floats(0, 20)),
    lead_off=st.builds(LeadOffSettings, raise_seconds=st.integers(1, 5), clear_seconds=st.integers(1, 20)),
    noise=st.builds(ConditionSettings, raise_seconds=st.integers(1, 20), clear_seconds=st.integers(1, 9)),
)
any_bed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def times_of(intervals: list[float]) -> list[float]:
    times = [0.4]
    for interval in intervals:
        times.append(times[-1] + interval)
    return times


@any_bed
@given(SIGNALS, INTERVALS, SETTINGS, st.sets(st.integers(0, 60)))
def test_alarms_are_raised_and_cleared_by_turns_with_ids_of_their_own(
    bed: Bed, signal: str, intervals: list[float], limits: AlertSettings, bad: set[int]
) -> None:
    times = [t for t in times_of(intervals) if t < len(signal)]
    small = {i: 0.1 for i in bad if i % 2}
    found = bed(signal, times, settings=limits, bad=sorted(bad), sizes=small)
    standing: dict[str, Alert] = {}
    raised: set[str] = set()
    for alert in found:
        assert alert.onset <= alert.end
        if alert.state == "raised":
            assert alert.kind not in standing
            assert alert.id not in raised
            assert alert.onset <= alert.time
            raised.add(alert.id)
            standing[alert.kind] = alert
        else:
            before = standing.pop(alert.kind)
            assert (alert.id, alert.onset) == (before.id, before.onset)
            assert alert.end >= before.end
            assert alert.time >= before.time
    assert not standing


@any_bed
@given(SIGNALS, INTERVALS, SETTINGS)
def test_a_stream_is_never_in_asystole_and_off_its_lead_or_pausing_at_once(
    bed: Bed, signal: str, intervals: list[float], limits: AlertSettings
) -> None:
    def look(stream: StreamAlerts) -> None:
        for other in ("lead-off", "pause"):
            assert not {"asystole", other} <= set(stream.standing)

    bed(signal, [t for t in times_of(intervals) if t < len(signal)], settings=limits, each=look)


def is_beside_a_rare_beat(k: int, times: list[float]) -> bool:
    """Whether second ``k``, noisy by its mark, holds nothing but a beat of a slow heart and its T wave: that
    is where the beats of :mod:`tests.monitor.policies.conftest` are high. The line is quiet there, not
    noise."""
    late = [b for a, b in pairwise(times) if b - a >= RARE_SECONDS]
    return any(k - 0.1 < t < k + 0.5 for t in late)


@any_bed
@given(SIGNALS, INTERVALS)
@example("." + "n" * 14 + "....", [1.0, *[0.5] * 7, 9.5])
def test_asystole_and_pause_need_four_and_three_usable_seconds_on_end(
    bed: Bed, signal: str, intervals: list[float]
) -> None:
    times = [t for t in times_of(intervals) if t < len(signal)]
    for alert in bed(signal, times):
        if alert.state == "cleared" or alert.kind not in {"asystole", "pause"}:
            continue
        limit = 4 if alert.kind == "asystole" else 3
        assert alert.end - alert.onset >= limit - 1e-9
        assert not any(alert.onset + 1e-6 < t < alert.end - 1e-6 for t in times)
        # at rest, a line is known to be so only after 1.6 s; the last second may close for what ends it
        first = int(alert.onset)
        during = signal[first : int(alert.end)]
        assert "c" not in during
        noisy = [first + i for i, mark in enumerate(during) if mark == "n"]
        assert all(is_beside_a_rare_beat(k, times) for k in noisy)
        lost = sum(during.count(mark) for mark in "mg")
        assert alert.end - alert.onset - lost >= max(limit, 2 * lost) - 1
        assert all(set(during[i : i + 4]) - set("mg") for i in range(len(during) - 3))
