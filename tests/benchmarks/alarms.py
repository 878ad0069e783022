"""Which rhythm and technical alarms the recordings of MIT-BIH raise, and what the annotations say of each.

    python tests/benchmarks/alarms.py --data ../shared/data/mitdb
    python tests/benchmarks/alarms.py --data ../shared/data/mitdb --records 232,207 --chunk 0.25

The daemon's pipeline with its default limits and without a model: anomalous beats are not what is asked.
First how many alarms of each kind a record raised; then each asystole, pause and lead-off by itself: the
longest interval between annotated beats (ventricular flutter waves among them) that touches it, and whether
that makes it true, or it came in ventricular flutter, where there is no beat to find. ``late`` is how much
signal had been fed when the alarm came, counted from its onset, chunks included. Then annotated intervals as
long as a pause that raised none; and what the annotations say of the rate where a rate alarm was raised.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.commands.recordings import resolve
from ecgmon.ecg.aami import CLASS_OF
from ecgmon.ecg.types import Alert
from ecgmon.evaluation.table import columns
from ecgmon.monitor.offline import Recorder
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.monitor.policies import AlertSettings
from ecgmon.sinks.memory import MemorySink
from ecgmon.sources.annotations import read_annotations
from ecgmon.sources.base import Source, chunks
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource

KINDS: Final = ("asystole", "pause", "bradycardia", "tachycardia", "lead-off", "noise")
LIMITS: Final = AlertSettings()
SLACK: Final = 0.15
"""An interval may be annotated so much shorter than it was measured, s (EC57's tolerance of a beat)."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, stream time, s. ``fed`` and ``cleared``: how much had been fed when it came and went."""

    kind: str
    onset: float
    end: float
    fed: float
    cleared: float


@dataclass(slots=True)
class Played:
    """What one stream gave."""

    alarms: list[Alarm] = field(default_factory=list)
    seconds: float = 0.0
    closed: int = 0
    """Seconds in which the quality gate was closed."""


def play(source: Source, settings: PipelineSettings | None = None) -> Played:
    """Play one stream through the pipeline and note when each alarm came."""
    sink, recorder = MemorySink(), Recorder()
    pipeline = Pipeline(None, settings or PipelineSettings(), [sink], [recorder], lambda: 0.0, strict=True)
    came: list[float] = []
    start, fed = None, 0.0
    for chunk in chunks(source):
        start = chunk.t if start is None else start
        fed = chunk.t - start + chunk.samples.shape[1] / chunk.fs
        pipeline.feed(chunk)
        came += [fed] * (len(sink.alerts) - len(came))
    pipeline.flush()
    came += [fed] * (len(sink.alerts) - len(came))
    result = Played(seconds=fed)
    for stream in recorder.results.values():
        result.closed += sum(not quality.good for quality in stream.quality)
    raised: dict[str, tuple[Alert, float]] = {}
    for alert, at in zip(sink.alerts, came, strict=True):
        if alert.state == "raised":
            raised[alert.id] = (alert, at)
            continue
        _, first = raised.pop(alert.id)
        result.alarms.append(
            Alarm(alert.kind, alert.onset - (start or 0.0), alert.end - (start or 0.0), first, at)
        )
    if raised:
        raise RuntimeError(f"never cleared: {[alert.kind for alert, _ in raised.values()]}")
    return result


def beats_of(record: Path) -> NDArray[np.float64]:
    """Annotated beats and flutter waves, s."""
    marks = read_annotations(record)
    wanted = [symbol in CLASS_OF or symbol == "!" for symbol in marks.symbols]
    return np.asarray(marks.samples[np.array(wanted)] / marks.fs, dtype=np.float64)


def longest(beats: NDArray[np.float64], alarm: Alarm) -> float:
    """Longest annotated interval that an alarm's span lies in or touches, s."""
    first = max(int(np.searchsorted(beats, alarm.onset + SLACK, "right")) - 1, 0)
    last = min(int(np.searchsorted(beats, alarm.end - SLACK, "left")), len(beats) - 1)
    return float(np.max(np.diff(beats[first : last + 1]), initial=0.0))


def flutters(record: Path) -> list[tuple[float, float]]:
    """Annotated ventricular flutter or fibrillation, s."""
    marks = read_annotations(record)
    times = (marks.samples / marks.fs).tolist()
    begins = [t for t, symbol in zip(times, marks.symbols, strict=True) if symbol == "["]
    ends = [t for t, symbol in zip(times, marks.symbols, strict=True) if symbol == "]"]
    return list(zip(begins, ends, strict=True))


def is_true(beats: NDArray[np.float64], alarm: Alarm) -> bool:
    """Whether the annotations bear an asystole or a pause out."""
    limit = LIMITS.asystole.seconds if alarm.kind == "asystole" else LIMITS.pause.seconds
    return longest(beats, alarm) >= limit - SLACK


def rate(beats: NDArray[np.float64], alarm: Alarm) -> float:
    """Lowest or highest rate of four, or eight, annotated intervals within a rate alarm, beats/min."""
    slow = alarm.kind == "bradycardia"
    n = 4 if slow else 8
    inside = beats[(beats >= alarm.onset - SLACK) & (beats <= alarm.end + SLACK)]
    if len(inside) <= n:
        return float("nan")
    rates = 60.0 * n / (inside[n:] - inside[:-n])
    return float(rates.min() if slow else rates.max())


def missed(beats: NDArray[np.float64], alarms: list[Alarm]) -> list[tuple[float, float]]:
    """Annotated intervals (begin, length) of a pause or longer that no asystole or pause touches."""
    told = [a for a in alarms if a.kind in {"asystole", "pause"}]
    gaps = np.diff(beats)
    return [
        (float(beats[i]), float(gaps[i]))
        for i in np.flatnonzero(gaps >= LIMITS.pause.seconds + SLACK)
        if not any(a.onset <= beats[i + 1] and beats[i] <= a.end for a in told)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of MIT-BIH")
    parser.add_argument("--records", default="all", help="names by comma, DS1, DS2 or all")
    parser.add_argument("--chunk", type=float, default=1.0, help="length of a chunk, s")
    args = parser.parse_args()
    records = resolve(args.data, None if args.records == "all" else args.records)
    table = [["record", *KINDS, "gate closed, s"]]
    single = [["record", "kind", "onset, s", "span, s", "longest RR, s", "true", "late, s"]]
    lost = [["record", "at, s", "RR, s"]]
    rates = [["record", "kind", "onset, s", "span, s", "annotated rate"]]
    sums: Counter[str] = Counter()
    for record in records:
        source = WfdbSource(WfdbSettings(records=[str(record)], start_time=0.0, chunk_seconds=args.chunk))
        played, beats = play(source, PipelineSettings(lead="0")), beats_of(record)
        counts = Counter(alarm.kind for alarm in played.alarms)
        sums.update(counts)
        sums["closed"] += played.closed
        table.append([record.name, *(str(counts[kind] or "-") for kind in KINDS), str(played.closed)])
        for a in played.alarms:
            span = [f"{a.onset:.1f}", f"{a.end - a.onset:.2f}"]
            if a.kind in {"asystole", "pause", "lead-off"}:
                true = "?" if a.kind == "lead-off" else "yes" if is_true(beats, a) else "no"
                if any(begin - 1 < a.onset < end for begin, end in flutters(record)):
                    true = "flutter"
                rr = f"{longest(beats, a):.2f}"
                single.append([record.name, a.kind, *span, rr, true, f"{a.fed - a.onset:.2f}"])
            elif a.kind in {"bradycardia", "tachycardia"}:
                rates.append([record.name, a.kind, *span, f"{rate(beats, a):.0f}"])
        lost += [[record.name, f"{at:.1f}", f"{rr:.2f}"] for at, rr in missed(beats, played.alarms)]
    table.append(["all", *(str(sums[kind]) for kind in KINDS), str(sums["closed"])])
    for rows in (table, single, lost, rates):
        print(columns(rows), end="\n\n")


if __name__ == "__main__":
    main()
