"""Alerts to hand to sinks."""

from __future__ import annotations

import pytest

from ecgmon.ecg.types import Alert, Evidence, ModelRef


@pytest.fixture
def alert() -> Alert:
    return Alert(
        id="a1",
        stream="bed",
        kind="anomalous-beats",
        state="raised",
        severity="warning",
        onset=43381.0,
        end=43384.0,
        time=43384.5,
        beats=3,
        score=4.0,
        p_value=0.0004,
        threshold=0.01,
        heart_rate=96.2,
        evidence=Evidence(
            window=[0.1], reconstruction=[0.2], error=0.1, r_peaks=[1.0], parts={"qrs": 2.0, "rhythm": 0.5}
        ),
        model=ModelRef(name="m", hash="h"),
    )
