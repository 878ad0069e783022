"""Simulated recordings, and a real broker where there is one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ecgmon.bench.material import simulated


@pytest.fixture(scope="session")
def patients(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three recordings of a minute."""
    return simulated(tmp_path_factory.mktemp("patients"), 3, 60.0)


@pytest.fixture
def needs_mosquitto() -> None:
    if shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") is None:
        reason = "mosquitto is not installed: apt install mosquitto"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
