"""The short form of :mod:`tests.integration.pressure`: a daemon that gets three times what it can take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration import pressure


def test_raw_data_is_shed_before_alerts_memory_stays_and_it_recovers(tmp_path: Path, mosquitto: Any) -> None:
    outcome = pressure.run(tmp_path, mosquitto.url, 8.0)
    assert outcome.problems() == [], outcome.table()
