"""Seconds that the watch lets pass would have changed nothing: not an alert, not a bit of what is saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.ecg.types import Alert
from ecgmon.monitor import snapshot
from ecgmon.monitor.alerting import StreamAlerts
from ecgmon.monitor.policies import AlertSettings
from ecgmon.monitor.policies.asystole import AsystoleSettings, PauseSettings
from ecgmon.monitor.policies.condition import ConditionSettings
from ecgmon.monitor.policies.rate import BradycardiaSettings, TachycardiaSettings

Bed = Callable[..., list[Alert]]

SIGNALS = st.lists(
    st.tuples(st.sampled_from("....qfrncmgs"), st.integers(1, 25)), min_size=1, max_size=12
).map(lambda parts: "".join(mark * (length if mark == "." else 1 + length // 4) for mark, length in parts))
RHYTHMS = st.lists(
    st.tuples(st.one_of(st.floats(0.3, 1.2), st.floats(0.3, 5.0)), st.integers(1, 30)), max_size=12
).map(lambda parts: [interval for interval, beats in parts for _ in range(beats)])
SETTINGS = st.builds(
    AlertSettings,
    anomalous_beats=st.builds(EpisodeSettings, clear_seconds=st.floats(1, 20)),
    asystole=st.builds(AsystoleSettings, enabled=st.booleans(), seconds=st.floats(2, 6)),
    pause=st.builds(PauseSettings, seconds=st.floats(1, 4), clear_seconds=st.floats(0, 20)),
    bradycardia=st.builds(BradycardiaSettings, enabled=st.booleans(), below=st.floats(20, 80)),
    tachycardia=st.builds(TachycardiaSettings, above=st.floats(60, 200)),
    noise=st.builds(ConditionSettings, enabled=st.booleans(), raise_seconds=st.integers(1, 9)),
)

EVERY: Final = 29
"""Beats and seconds between two looks at what is saved."""


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIGNALS, RHYTHMS, SETTINGS, st.sets(st.integers(0, 200), max_size=12), st.sets(st.integers(0, 200)))
def test_a_second_that_passes_changes_nothing(
    bed: Bed, signal: str, rhythm: list[float], limits: AlertSettings, bad: set[int], odd: set[int]
) -> None:
    times = [0.4]
    for interval in rhythm:
        times.append(times[-1] + interval)
    times = [t for t in times if t < len(signal)]
    small = {i: 0.1 for i in bad if i % 2}

    def found(*, passing: bool) -> tuple[list[Alert], list[bytes], list[float | None]]:
        states: list[bytes] = []
        rates: list[float | None] = []

        def look(stream: StreamAlerts) -> None:
            stream.watch.resting &= passing
            rates.append(stream.watch.rate(stream.watch.silence._last + 1.0))
            if len(rates) % EVERY == 0:  # to save is to tell of the beats that passed
                states.append(snapshot.encode(stream.save()))

        args = {"settings": limits, "bad": sorted(bad), "sizes": small, "odd": sorted(odd), "each": look}
        return bed(signal, times, **args), states, rates

    assert found(passing=True) == found(passing=False)


def test_nearly_all_seconds_of_a_calm_heart_pass_and_one_beat_out_of_the_ordinary_is_looked_at(
    bed: Bed,
) -> None:
    resting: list[bool] = []
    times = [0.4 + 0.8 * i for i in range(124)]
    bed("." * 100, times, bad=[60], each=lambda stream: resting.append(stream.watch.resting))
    assert resting[20:70].count(False) == 0
    assert 0 < resting.count(False) < 35
    assert not all(resting[70:])
