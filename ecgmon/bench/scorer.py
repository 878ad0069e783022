"""``bench scorer``: beats per second of the autoencoders, ours against plain eager torch, and of all that
scoring does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, get_args

import numpy as np

from ecgmon.bench.contest import Contender, Row, contest
from ecgmon.bench.report import Report, spread
from ecgmon.ecg.frontend import Frontend
from ecgmon.ecg.simulator import simulate
from ecgmon.ecg.types import WINDOW, Beat
from ecgmon.model import bundle
from ecgmon.model.autoencoders import Architecture, ConvLstmSettings, ConvSettings, LstmSettings, build
from ecgmon.model.baseline import Baseline
from ecgmon.model.device_speed import (
    cost_per_beat,
    from_device_memory,
    from_pinned_memory,
    limits,
    on_cuda,
    shares,
)
from ecgmon.model.devices import Device, pick
from ecgmon.model.plain import PlainRestorer
from ecgmon.model.restorer import Restorer
from ecgmon.model.scoring import Scorer
from ecgmon.model.slots import Precision

ARCHITECTURES: Final[dict[str, Architecture]] = {
    "conv": ConvSettings(), "lstm": LstmSettings(), "conv-lstm": ConvLstmSettings(),
}  # fmt: skip
BATCHES: Final = (1, 8, 32, 128, 512)
ROUND_TRIP: Final = 128
"""Beats in the batch whose time from host to host is measured."""
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
LEAST_SCORE: Final = 0.05
"""Below it a relative error says nothing: a beat is odd from about 1 on."""
HEART_RATE: Final = 75
"""Beats a minute of the patients that a device is said to be enough for."""


def run(
    device: Device,
    batches: Sequence[int],
    repetitions: int,
    beats: int,
    settings: dict[str, Any],
    progress: Callable[[str], object],
    clock: Callable[[], float],
) -> Report:
    """Measure; each run restores about ``beats`` beats, a quarter of it with the slower nets and in small
    batches. ``clock`` is wall time where the device is not this processor."""
    rng = np.random.default_rng(0)
    where = pick(device)
    title = ["beats/s", "batch", "ecgmon", "from-to", "plain torch", "from-to", "x plain"]
    table, found = [title], []
    for name, architecture in ARCHITECTURES.items():
        ours, plain = Restorer(build(architecture), device), PlainRestorer(build(architecture), device)
        for batch in batches:
            x = rng.standard_normal((batch, WINDOW)).astype(np.float32)
            reference = rng.standard_normal((batch, WINDOW)).astype(np.float32)
            rounds = max(3, beats // batch // (1 if name == "conv" and batch >= 32 else 4))
            pair = [
                _contender("ecgmon", partial(ours, x, reference), batch, rounds),
                _contender("plain torch", partial(plain, x, reference), batch, rounds),
            ]
            rows = contest(pair, repetitions, partial(_said, progress, f"{name}, batch {batch}"), clock)
            table.append([name, str(batch), *_rates(rows[0]), *_rates(rows[1]), _times(*rows)])
            found += [{"net": name, "batch": batch} | _rate_tree(row) for row in rows]
    scored = _whole(device, batches, repetitions, beats // 4, progress, clock)
    for batch, row in scored.items():
        table.append(["Scorer.score", str(batch), *_rates(row), "", "", ""])
        found.append({"net": "Scorer.score", "batch": batch} | _rate_tree(row))
    cuda = _cuda(progress) if where.type == "cuda" else {}
    notes = [
        "Scorer.score: default model, each beat of another stream; restoring, judging, learning, p-values.",
        *([] if cuda else ["No figure is of a GPU: --device cuda measures one where torch finds it."]),
        *(f"{name}: {value:.4g}" for name, value in cuda.items() if isinstance(value, float)),
    ]
    return Report(
        "scorer", settings | {"device": str(where), "runs": repetitions}, [table],
        {"unit": "beats per second", "rows": found, "cuda": cuda or None}, notes,
    )  # fmt: skip


def _contender(name: str, once: Callable[[], object], batch: int, rounds: int) -> Contender:
    def work() -> float:
        for _ in range(rounds):
            once()
        return rounds * batch

    return Contender(name, "restores a batch", work, once)


def _whole(
    device: Device,
    batches: Sequence[int],
    repetitions: int,
    beats: int,
    progress: Callable[[str], object],
    clock: Callable[[], float],
) -> dict[int, Row]:
    scorer = Scorer(bundle.load("default"), device)
    scorer.warm_up(max(batches))
    series = _beats()
    found = {}
    for batch in batches:
        baselines = [scorer.new_baseline() for _ in range(batch)]
        work = partial(_score, scorer, series, baselines, max(3, beats // batch))
        contender = Contender("Scorer.score", "scores a batch", work, work)
        found[batch] = contest([contender], repetitions, progress, clock)[0]
    return found


def _score(scorer: Scorer, series: Sequence[Beat], baselines: Sequence[Baseline], rounds: int) -> float:
    for i in range(rounds):
        beat = series[i % len(series)]
        scorer.score([(beat, baseline) for baseline in baselines])
    return rounds * len(baselines)


def _said(progress: Callable[[str], object], where: str, said: str) -> None:
    progress(f"{where}: {said}")


def _beats() -> list[Beat]:
    samples, _ = simulate(300.0, 360.0)
    frontend = Frontend(360.0)
    found = [*frontend.feed(samples[0]).beats, *frontend.flush().beats]
    return [beat for beat in found if beat.good]


def _cuda(progress: Callable[[str], object]) -> dict[str, Any]:
    """What only a CUDA device has: memory of its own, a way there and back, and limits worth naming."""
    progress("limits of the device")
    flops, moved = limits(1.0)
    name = str(on_cuda())
    found: dict[str, Any] = {"name": name, "TFLOP/s of a matrix product": flops / 1e12,
                             "GB/s of a copy": moved / 1e9}  # fmt: skip
    for net, architecture in ARCHITECTURES.items():
        model = build(architecture)
        cost = cost_per_beat(model)
        for precision in PRECISIONS:
            which = f"{net} in {precision}"
            progress(f"{which}: device memory, pinned memory, round trips")
            rate = from_device_memory(model, 65_536, 2.0, precision)
            found[f"{which}: beats/s from device memory"] = rate
            reached = shares(rate, cost, name, precision)
            if reached is not None:
                found[f"{which}: share of the peak FLOP/s"], found[f"{which}: share of the bandwidth"] = (
                    reached
                )
            pinned = from_pinned_memory(model, 2.0, precision)
            found[f"{which}: beats/s from pinned host memory"] = pinned
            found[f"{which}: patients at {HEART_RATE} beats a minute"] = pinned * 60 / HEART_RATE
            found[f"{which}: p99 of {ROUND_TRIP} beats from host to host, us"] = _round_trip(
                Restorer(model, "cuda", precision)
            )
    for precision in PRECISIONS:
        found[f"scores in {precision}: largest relative error"] = score_error("cuda", precision)
    return found


def score_error(device: Device, precision: Precision) -> float:
    """Largest difference of a score of the default model on ``device`` from the CPU's in float32, relative to
    that or to :data:`LEAST_SCORE`, over five minutes of a simulated patient."""
    beats, scores = _beats(), []
    for scorer in (
        Scorer(bundle.load("default"), "cpu"),
        Scorer(bundle.load("default"), device, precision=precision),
    ):
        baseline = scorer.new_baseline()
        scores.append(np.array([found.score for found in scorer.score([(beat, baseline) for beat in beats])]))
    return float(np.max(np.abs(scores[1] - scores[0]) / np.maximum(scores[0], LEAST_SCORE)))


def _round_trip(restorer: Restorer, rounds: int = 2000) -> float:
    x = np.random.default_rng(0).standard_normal((ROUND_TRIP, WINDOW)).astype(np.float32)
    times = np.empty(rounds)
    for _ in range(20):
        restorer(x, x)
    for i in range(rounds):
        began = time.perf_counter()
        restorer(x, x)
        times[i] = time.perf_counter() - began
    return float(np.quantile(times, 0.99) * 1e6)


def _rates(row: Row) -> list[str]:
    return spread([1 / run for run in row.runs], 0)


def _times(ours: Row, plain: Row) -> str:
    return f"{plain.median / ours.median:.2f}"


def _rate_tree(row: Row) -> dict[str, Any]:
    rates = [1 / run for run in row.runs]
    return {"name": row.name, "runs": rates, "median": 1 / row.median, "min": min(rates), "max": max(rates)}
