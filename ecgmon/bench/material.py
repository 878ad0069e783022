"""What the benchmark runs on: recordings, or simulated ones where none are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import wfdb

from ecgmon.ecg.simulator import simulate
from ecgmon.ecg.types import Samples
from ecgmon.sources.wfdb_record import Record

FS = 360.0


def simulated(folder: Path, patients: int, seconds: float) -> list[Path]:
    """Write recordings of simulated patients, one lead at 360 Hz, into ``folder``; their paths."""
    paths = []
    for index in range(patients):
        name = f"sim{index:02d}"
        samples, _ = simulate(seconds, FS, index=index)
        wfdb.wrsamp(
            name, fs=FS, units=["mV"], sig_name=["II"], p_signal=samples[:1].T.astype(np.float64),
            fmt=["16"], adc_gain=[200.0], baseline=[0], write_dir=str(folder),
        )  # fmt: skip
        paths.append(folder / name)
    return paths


def first_lead(path: Path) -> tuple[Samples, float]:
    """Samples [n] of a recording's first lead, mV, and their rate, Hz."""
    record = Record(path)
    return np.concatenate([block[0] for block in record.blocks()]), record.fs


def hours(paths: Sequence[Path]) -> float:
    """Length of all recordings."""
    records = [Record(path) for path in paths]
    return sum(record.length / record.fs for record in records) / 3600
