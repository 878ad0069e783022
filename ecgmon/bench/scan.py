"""``bench scan``: CPU time for an hour of one lead, ours from file to files, others' from samples to
R-peaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgmon.bench import beat_by_beat
from ecgmon.bench.contest import Contender, contest
from ecgmon.bench.detectors import DETECTORS, XQRS, Detector, Signal
from ecgmon.bench.material import first_lead, hours
from ecgmon.bench.report import Report, cost_table
from ecgmon.ecg.frontend import Frontend
from ecgmon.ecg.types import Samples
from ecgmon.model import bundle
from ecgmon.model.plain import PlainRestorer

OURS: Final = "ecgmon scan"
WARM_UP_SECONDS: Final = 60


def run(
    paths: Sequence[Path],
    scan: Callable[[Sequence[Path]], object],
    piece_seconds: float,
    repetitions: int,
    settings: dict[str, Any],
    progress: Callable[[str], object],
) -> Report:
    """Measure on the recordings ``paths``; ``scan`` scans them as the command does, reading in pieces of
    ``piece_seconds``."""
    length = hours(paths)
    signals = [first_lead(path) for path in paths]
    doubles = [(np.nan_to_num(x.astype(np.float64)), fs) for x, fs in signals]

    def whole() -> float:
        scan(paths)
        return length

    def frontend() -> float:
        for x, fs in signals:
            _feed(x, fs, round(piece_seconds * fs))
        return length

    found: dict[str, int] = {}
    contenders = [
        Contender(OURS, "file to scored beats, alerts, files written", whole, lambda: scan(paths[:1])),
        Contender(
            "ecgmon frontend", "samples to beats, windows, quality", frontend,
            lambda: _feed(*_start(signals[0]), round(piece_seconds * signals[0][1])),
        ),
        *(_detection(each, doubles, length, found) for each in DETECTORS),
        _plain_way(doubles, length, found),
    ]  # fmt: skip
    rows = contest(contenders, repetitions, progress)
    return Report(
        "scan",
        settings | {"hours": round(length, 3), "runs": repetitions},
        [cost_table("CPU s/h", rows, rows[0])],
        {"unit": "CPU seconds per hour of one lead", "rows": [row.tree(rows[0]) for row in rows],
         "beats": found},
        ["Others' samples were in memory before; ours reads, scores, judges and writes."],
    )  # fmt: skip


def _feed(x: Samples, fs: float, size: int) -> None:
    frontend = Frontend(fs)
    for start in range(0, len(x), size):
        frontend.feed(x[start : start + size])
    frontend.flush()


def _start(signal: tuple[Samples, float]) -> tuple[Samples, float]:
    x, fs = signal
    return x[: int(WARM_UP_SECONDS * fs)], fs


def _detection(
    detector: Detector, signals: Sequence[tuple[Signal, float]], length: float, found: dict[str, int]
) -> Contender:
    def work() -> float:
        found[detector.name] = sum(len(detector.find(signal, fs)) for signal, fs in signals)
        return length

    def warm_up() -> None:
        signal, fs = signals[0]
        detector.find(signal[: int(WARM_UP_SECONDS * fs)], fs)

    return Contender(detector.name, "detection only", work if detector.installed else None, warm_up)


def _plain_way(signals: Sequence[tuple[Signal, float]], length: float, found: dict[str, int]) -> Contender:
    name = "XQRS + conv AE"
    restorer = PlainRestorer(bundle.load("default").autoencoder(), "cpu")

    def work() -> float:
        found[name] = 0
        for signal, fs in signals:
            peaks = XQRS.find(signal, fs)
            for peak in peaks.tolist():
                beat_by_beat.error(restorer, signal, fs, peak)
            found[name] += len(peaks)
        return length

    def warm_up() -> None:
        signal, fs = signals[0]
        beat_by_beat.error(restorer, signal, fs, 2 * fs)

    return Contender(name, "detection, then torch beat by beat", work if XQRS.installed else None, warm_up)
