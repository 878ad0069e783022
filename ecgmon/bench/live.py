"""``bench live``: the daemon behind a real Mosquitto, at several numbers of streams, CPU of each process
apart; beside it the loop that one writes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ecgmon.bench.broker import Broker, mosquitto
from ecgmon.bench.daemon import serving
from ecgmon.bench.generator import Load
from ecgmon.bench.live_run import Latency, LiveRun, LoopRun, run_daemon, run_loop
from ecgmon.bench.processes import check_proc
from ecgmon.bench.report import Report, spread
from ecgmon.bench.straightforward import detector
from ecgmon.config import Settings
from ecgmon.errors import TransportError

LATE: Final = 0.05
"""A generator that was later than this, s, is named: it, too, wants a processor."""


class LiveSettings(Settings, frozen=True):
    """What is run, by turns, ``repetitions`` times."""

    streams: Annotated[list[Annotated[int, Meta(ge=1, le=20_000)]], Meta(min_length=1)]
    seconds: Annotated[float, Meta(ge=1, le=3600, description="measured in each run, s")]
    warm_up: Annotated[float, Meta(ge=2, le=3600, description="before, the first half for streams to come")]
    qos: Annotated[int, Meta(ge=0, le=1)]
    repetitions: Annotated[int, Meta(ge=1, le=1000)]
    peer_streams: Annotated[int, Meta(ge=0, le=1000, description="of the straightforward loop; 0: without")]


def run(
    paths: Sequence[Path],
    settings: LiveSettings,
    folder: Path,
    said: dict[str, Any],
    progress: Callable[[str], object],
) -> tuple[Report, dict[int, list[LiveRun]]]:
    """Play the recordings ``paths``. Returns the report, and all runs by number of streams."""
    check_proc()
    found: dict[int, list[LiveRun]] = {n: [] for n in sorted(set(settings.streams))}
    loops: list[LoopRun] = []
    with mosquitto(folder) as broker:
        progress("first start of the daemon")
        with serving(folder, broker.url, 1, settings.qos) as daemon:
            first = daemon.ready_seconds, daemon.ready_cpu
        for repetition in range(settings.repetitions):
            for n, runs in found.items():
                progress(f"{n} streams: {repetition + 1} of {settings.repetitions}")
                load = _load(paths, broker, settings, n)
                runs.append(run_daemon(folder, broker, load, settings.warm_up, settings.seconds))
                _check(runs[-1].refused, broker)
            if settings.peer_streams:
                progress(f"straightforward loop: {repetition + 1} of {settings.repetitions}")
                load = _load(paths, broker, settings, settings.peer_streams)
                loops.append(run_loop(broker, load, settings.warm_up, settings.seconds))
    tree = {
        "unit": "CPU seconds per stream-second",
        "first_start": {"seconds": first[0], "cpu": first[1]},
        "runs": [msgspec.to_builtins(each) for runs in found.values() for each in runs],
        "bytes_per_stream": {str(n): _bytes_per_stream(found, n) for n in found},
        "straightforward": [msgspec.to_builtins(each) for each in loops],
    }
    tables = [_costs(found, loops), service_table(found)]
    everything = said | msgspec.to_builtins(settings)
    return Report("live", everything, tables, tree, notes(found, loops, first)), found


def _load(paths: Sequence[Path], broker: Broker, settings: LiveSettings, streams: int) -> Load:
    records = [str(path) for path in paths]
    return Load(url=broker.url, records=records, streams=streams, ramp=settings.warm_up / 2, qos=settings.qos)


def _check(refused: int, broker: Broker) -> None:
    if refused:
        raise TransportError(
            f"broker {broker.url}: the generator lost its connection, {refused} messages ago"
        )


def _costs(found: dict[int, list[LiveRun]], loops: list[LoopRun]) -> list[list[str]]:
    lines = [["CPU us a stream-second", "streams", "", "from-to", "x ours", "compute", "broker", "generator"]]
    ours = median([each.daemon for each in found[max(found)]])
    for n, runs in found.items():
        costs = [each.daemon for each in runs]
        rest = [_us([getattr(each, part) for each in runs]) for part in ("compute", "broker", "generator")]
        ratio = f"{median(costs) / ours:.2f}"
        lines.append(["ecgmon serve", str(n), *spread(costs, 0, 1e6), ratio, *rest])
    if loops:
        costs = [each.loop for each in loops]
        rest = [_us([getattr(each, part) for each in loops]) for part in ("broker", "generator")]
        lines.append([
            f"paho + {detector().name} + torch", str(loops[0].streams), *spread(costs, 0, 1e6),
            f"{median(costs) / ours:.1f}", "", *rest,
        ])  # fmt: skip
    return lines


def service_table(found: dict[int, list[LiveRun]]) -> list[list[str]]:
    """What the streams get: latency, memory, and what was lost."""
    lines = [[
        "ms, p50 / p99", "beat", "alert", "alert heard", "alerts", "MB", "KB/stream", "lost", "shed",
        "late ms", "ready s",
    ]]  # fmt: skip
    for n, runs in found.items():
        lines.append([
            f"{n} streams",
            *(_ms([getattr(each, stage) for each in runs]) for stage in ("beat", "alert", "heard")),
            str(sum(each.heard.n for each in runs)),
            spread([each.bytes_loaded for each in runs], 0, 1e-6)[0],
            "-" if (per := _bytes_per_stream(found, n)) is None else f"{per / 1024:.0f}",
            str(sum(each.lost for each in runs)), str(sum(each.shed for each in runs)),
            f"{max(each.late for each in runs) * 1e3:.0f}",
            spread([each.ready_seconds for each in runs], 1)[0],
        ])  # fmt: skip
    return lines


def _bytes_per_stream(found: dict[int, list[LiveRun]], n: int) -> float | None:
    """Memory for each stream: what a daemon grew by since it was ready, beyond that of the smallest run, in
    which all is met that does not grow with the streams; None for that one itself."""
    least = min(found)
    if n == least:
        return None
    grown = {m: median([each.bytes_loaded - each.bytes_ready for each in found[m]]) for m in (least, n)}
    return (grown[n] - grown[least]) / (n - least)


def notes(found: dict[int, list[LiveRun]], loops: list[LoopRun], first: tuple[float, float]) -> list[str]:
    """How to read the tables, and who could not keep up; ``first``: wall and CPU seconds of a first start."""
    bounds = {
        bound for runs in found.values() for each in runs for pair in each.beat.bounds for bound in pair
    }
    met = ", ".join(f"{bound:g}" for bound in sorted(bounds))
    said = [
        f"first start: {first[0]:.1f} s ({first[1]:.1f} s CPU), with what the cache lacked to be compiled.",
        f"beat, alert: from the daemon's histogram, even within its buckets ({met} s met here).",
        "x ours: ours at the largest number of streams.",
        "alert heard: from when the deciding message was due to a subscriber; generator and broker included.",
    ]
    late = {n: max(each.late for each in runs) for n, runs in found.items()}
    slow = {n: seconds for n, seconds in late.items() if seconds > LATE}
    if slow:
        named = ", ".join(f"{seconds * 1e3:.0f} ms at {n}" for n, seconds in slow.items())
        said.append(f"LAG: the generator was up to {named} streams late; 'alert heard' has that in it.")
    waiting = {n: max(each.waiting for each in runs) for n, runs in found.items()}
    behind = {n: count for n, count in waiting.items() if count > n}
    if behind:
        named = ", ".join(f"{count} at {n}" for n, count in behind.items())
        said.append(
            f"LAG: more than a second of messages ({named} streams) waited for the broker at the end."
        )
    over = {n: (sum(each.lost + each.shed for each in runs), sum(each.messages for each in runs))
            for n, runs in found.items()}  # fmt: skip
    said += [
        f"OVERLOAD: {gone} of {sent} messages at {n} streams were lost or shed; its figures are of the rest."
        for n, (gone, sent) in over.items()
        if gone
    ]
    if loops:
        last = loops[-1]
        said.append(
            f"straightforward loop: {sum(each.beats for each in loops)} beats restored, "
            f"{sum(each.failures for each in loops)} calls in which the detector raised an error, "
            f"{last.behind} messages behind at the end."
        )
    return said


def _us(values: Sequence[float]) -> str:
    return spread(values, 0, 1e6)[0]


def _ms(each: Sequence[Latency]) -> str:
    known = [latency for latency in each if latency.n]
    if not known:
        return "-"
    return " / ".join(f"{median([getattr(one, q) for one in known]) * 1e3:.0f}" for q in ("p50", "p99"))
