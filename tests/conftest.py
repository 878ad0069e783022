"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import settings

# Before torch is imported, and for every process that a test starts: nets this small wait for their threads
# longer than they compute, and pytest already uses every core.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell starts what it runs in the background deaf to SIGINT, and so would be the programs that tests
# interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The first example of a compiled function compiles it, and other processes have the cores as well: time is
# the business of pytest-timeout and of the bench.
settings.register_profile("ecgmon", deadline=None)
settings.load_profile("ecgmon")

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


@pytest.fixture(scope="session")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of simulated recordings with annotations, one patient each: ``a`` to ``d`` of two minutes,
    ``x`` and ``y`` of seven, the first five for learning. About one beat in four is not normal."""
    from ecgmon.ecg.simulated_events import EventRates
    from ecgmon.ecg.simulator import simulate

    folder = tmp_path_factory.mktemp("ward")
    rates = EventRates(pvc=500.0, pac=300.0, run=0.0, pause=0.0, noise=10.0, motion=0.0, lead_off=0.0)
    for index, name in enumerate("abcdxy"):
        samples, truth = simulate(120 if name < "x" else 420, 250, seed=5, index=index, rates=rates)
        wfdb.wrsamp(
            name, fs=250, units=["mV"], sig_name=["II"], p_signal=samples[:1].T.astype(np.float64),
            fmt=["16"], adc_gain=[200.0], baseline=[0], write_dir=str(folder),
        )  # fmt: skip
        at = np.array([round(beat.t * 250) for beat in truth.beats])
        wfdb.wrann(name, "atr", at, [beat.symbol for beat in truth.beats], fs=250, write_dir=str(folder))
    return folder
