"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# Before torch is imported, and for every process that a test starts: nets this small wait for their threads
# longer than they compute, and pytest already uses every core.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell starts what it runs in the background deaf to SIGINT, and so would be the programs that tests
# interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder with the real recordings: ``mitdb`` and ``nstdb``; see the README, "data"."""
    folder = Path(os.environ.get("ECGMON_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "mitdb" / "100.dat").exists():
        reason = f"no recordings in {folder}: set ECGMON_DATA, or run `ecgmon download mitdb`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def mitdb(data: Path) -> Path:
    return data / "mitdb"
