"""The metric ``ecgmon_score_drift`` on recordings as they are, and spoilt on purpose.

    .venv/bin/python tests/benchmarks/drift.py --data ../shared/data

``--data`` holds ``mitdb`` and ``nstdb``. Each record is a stream of its own, followed to its end; nothing is
chosen by it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from ecgmon.commands.recordings import resolve
from ecgmon.commands.scored_records import stream_bundle
from ecgmon.evaluation.table import columns
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.drift import ScoreDrift
from ecgmon.monitor.offline import run
from ecgmon.sources.memory import MemorySource, chunks_of

FS = 360.0
Signal = NDArray[np.float64]


def noise(folder: Path, name: str) -> Signal:
    """A noise record's first lead, of standard deviation 1."""
    lead: Signal = wfdb.rdrecord(str(folder / name), channels=[0]).p_signal[:, 0]
    level: Signal = (lead - lead.mean()) / lead.std()
    return level


def spoilt(folder: Path) -> dict[str, Callable[[Signal], Signal]]:
    """What is done to both leads [n, 2], mV; sizes are shares of the lead's 99 % range."""
    em, ma = noise(folder, "em"), noise(folder, "ma")

    def size(x: Signal) -> float:
        return float(np.subtract(*np.percentile(x, [99.5, 0.5])))

    def hum(x: Signal) -> Signal:
        sine: Signal = np.sin(2 * np.pi * 9 * np.arange(len(x)) / FS)
        return x + 0.1 * size(x) * sine

    return {
        "as recorded": lambda x: x,
        "three times the gain": lambda x: 3 * x,
        "muscle noise (ma), 0.1": lambda x: x + 0.1 * size(x) * ma[: len(x)],
        "electrode motion (em), 0.2": lambda x: x + 0.2 * size(x) * em[: len(x)],
        "a sine of 9 Hz, 0.1": hum,
        "smoothed over 42 ms": lambda x: np.convolve(x, np.ones(15) / 15, "same"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with mitdb and nstdb")
    parser.add_argument("--records", default="DS1", help="names by comma, DS1 or DS2")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    scorer = Scorer(stream_bundle(args.model))
    ways = {name: (0, way) for name, way in spoilt(args.data / "nstdb").items()}
    ways["the other lead"] = (1, lambda x: x)
    drifts = {name: ScoreDrift(scorer.beat_threshold) for name in ways}
    for record in resolve(args.data / "mitdb", args.records):
        leads = wfdb.rdrecord(str(record)).p_signal
        for name, (lead, way) in ways.items():
            result = run(MemorySource(chunks_of(way(leads[:, lead]), FS, stream="s", seconds=60)), scorer)[
                "s"
            ]
            for beat, score in zip(result.beats, result.scores, strict=True):
                if score is not None:
                    drifts[name].beat(record.name, beat, score)
    rows = [["signal", "mean", "p10", "p50", "p90", "streams that count"]]
    for name, drift in drifts.items():
        rows.append([name, *(f"{value:+.2f}" for value in drift.drifts().values()), str(drift.streams)])
    print(columns(rows))


if __name__ == "__main__":
    main()
