"""Stream lost: raised by time, cleared by data or by the end, counted from the last sample."""

from __future__ import annotations

import pytest

from ecgmon.ecg.types import ModelRef
from ecgmon.monitor.alerting import StreamAlerts
from ecgmon.monitor.policies import AlertSettings
from ecgmon.monitor.policies.lost import StreamLostSettings


def stream(**keys: object) -> StreamAlerts:
    lost = StreamLostSettings(**keys)  # type: ignore[arg-type]
    return StreamAlerts("bed-1", AlertSettings(stream_lost=lost), ModelRef(name="m", hash="abc"), None)


def test_it_is_raised_once_and_cleared_by_data() -> None:
    one = stream(seconds=10.0)
    assert one.silent(30.0, 9.9, 1e9) == []
    (raised,) = one.silent(30.0, 10.2, 1e9)
    assert (raised.kind, raised.state, raised.severity) == ("stream-lost", "raised", "warning")
    assert (raised.onset, raised.end, raised.time) == pytest.approx((1e9 + 30, 1e9 + 30, 1e9 + 40.2))
    assert one.silent(30.0, 11.2, 1e9) == []
    (cleared,) = one.back(55.0, 1e9)
    assert (cleared.id, cleared.state, cleared.time) == (raised.id, "cleared", 1e9 + 55)
    assert one.back(55.0, 1e9) == []


def test_the_end_of_the_stream_clears_it() -> None:
    one = stream()
    (raised,) = one.silent(30.0, 12.0, 1e9)
    (cleared,) = one.end(30.0, 1e9)
    assert (cleared.id, cleared.state) == (raised.id, "cleared")


def test_it_can_be_switched_off() -> None:
    assert stream(enabled=False).silent(30.0, 1e6, 1e9) == []
