"""What is different for some streams: patterns, order, and keys that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ecgmon.config import convert
from ecgmon.ecg.types import Chunk
from ecgmon.errors import ConfigError
from ecgmon.monitor.overrides import alerts_of
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.monitor.policies import AlertSettings
from ecgmon.sinks.memory import MemorySink


def settings(streams: dict[str, Any], **keys: Any) -> PipelineSettings:
    return convert({"streams": streams, **keys}, PipelineSettings, where="ward.yaml")


def alerts(stream: str, streams: dict[str, Any], **keys: Any) -> AlertSettings:
    found = settings(streams, **keys)
    return alerts_of(stream, found.alerts, found.streams)


def test_a_stream_without_overrides_has_the_common_limits() -> None:
    common = {"bradycardia": {"below": 45}}
    assert alerts("bed-1", {}, alerts=common).bradycardia.below == 45
    assert alerts("bed-1", {"bed-2": {"alerts": {}}}, alerts=common).bradycardia.below == 45


def test_only_the_keys_given_are_different() -> None:
    found = alerts(
        "bed-3",
        {"bed-3": {"alerts": {"bradycardia": {"below": 35}}}},
        alerts={"bradycardia": {"hysteresis": 8}},
    )
    assert (found.bradycardia.below, found.bradycardia.hysteresis) == (35, 8)
    assert found.tachycardia == AlertSettings().tachycardia


def test_patterns_count_in_order_and_the_streams_own_name_last() -> None:
    streams = {
        "bed-3": {"alerts": {"noise": {"raise_seconds": 9}}},
        "bed-*": {"alerts": {"noise": {"raise_seconds": 20}, "pause": {"seconds": 2}}},
        "*-[34]": {"alerts": {"pause": {"seconds": 2.5}}},
    }
    found = {bed: alerts(bed, streams) for bed in ("bed-1", "bed-3", "bed-4", "Bed-4x")}
    told = {bed: (one.noise.raise_seconds, one.pause.seconds) for bed, one in found.items()}
    assert told == {"bed-1": (20, 2), "bed-3": (9, 2.5), "bed-4": (20, 2.5), "Bed-4x": (15, 3)}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ({"bradycardia": {"belo": 40}}, "unknown key 'belo'; did you mean 'below'?"),
        ({"bradycardya": {"below": 40}}, "unknown key 'bradycardya'; did you mean 'bradycardia'?"),
        ({"bradycardia": {"below": -1}}, "bradycardia.below"),
        ({"bradycardia": 40}, "bradycardia"),
        ({"asystole": {"seconds": "4 s"}}, "asystole.seconds"),
    ],
)
def test_what_does_not_fit_is_refused_with_stream_and_key(override: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings({"bed-*": {"alerts": override}})
    text = str(caught.value)
    assert text.startswith("ward.yaml: ")
    assert "streams.bed-*.alerts" in text
    assert said in text
    assert "\n" not in text


def test_another_key_than_alerts_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown key 'alarms'"):
        settings({"bed-3": {"alarms": {}}})


CLASHING = {
    "icu-*": {"alerts": {"anomalous_beats": {"raise_beats": 7}}},
    "*-3": {"alerts": {"anomalous_beats": {"of_beats": 6}}},
}
"""Each is right, and both together are not."""


def test_overrides_that_do_not_go_together_leave_a_new_stream_watched_by_the_common_limits(
    ward: Callable[..., list[Chunk]], caplog: pytest.LogCaptureFixture
) -> None:
    sink = MemorySink()
    pipeline = Pipeline(None, settings(CLASHING), [sink])
    for chunk in ward(seconds=60.0, script=[{"kind": "asystole", "at": 30, "seconds": 20}]):
        pipeline.feed(replace(chunk, stream="icu-3"))
    assert "icu-3: its overrides do not go together" in caplog.text
    assert "asystole" in {alert.kind for alert in sink.alerts}


def test_a_reload_whose_overrides_do_not_go_together_for_a_live_stream_changes_nothing(
    ward: Callable[..., list[Chunk]],
) -> None:
    pipeline = Pipeline(None, settings({}), [])
    pipeline.feed(replace(ward(streams=1)[0], stream="icu-3"))
    with pytest.raises(ConfigError, match=r"icu-3|\*-3"):
        pipeline.configure(settings(CLASHING, max_streams=3))
    assert pipeline._streams._settings.max_streams == 1000
