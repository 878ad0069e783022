"""DS1 made sick: how the score stands patients that DS1 has few or none of.

    .venv/bin/python tests/benchmarks/sick.py --data ../shared/data/mitdb

The patients are those of DS1 in sinus rhythm, altered as below. Shapes are otherwise the patient's own, and
so is the variation of the intervals. A label of two letters marks a normal beat that was altered: ``Nf``
fibrillating, ``Nb`` blocked.

Scored without an autoencoder, by the statistics of the other half of DS1. Prints how many of the altered
beats lie above 99 % of the real normal beats of DS1: of early ones that should be all, of normal ones that
were made to fibrillate or to block, 1 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from ecgmon.commands.recordings import labelled
from ecgmon.ecg.aami import DS1
from ecgmon.ecg.rhythm import Rhythm
from ecgmon.ecg.types import FS, R_INDEX, WINDOW, Samples
from ecgmon.evaluation.ranking import auroc
from ecgmon.evaluation.table import columns
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.judge import Judge, judge_records
from ecgmon.model.population import fit_scoring

LEARNING = 300.0

SINUS = ("101", "109", "112", "115", "118", "122", "124", "205", "207", "209", "215", "220", "223", "230")
"""In sinus rhythm."""

P_WAVE = slice(R_INDEX - 38, R_INDEX - 12)
FIBRILLATES = ((600.0, 1050.0), (1250.0, np.inf))
"""When, s."""
N = np.arange(WINDOW)


def p_wave(record: RecordBeats) -> NDArray[np.float64]:
    """[26] the usual P wave, in units of the QRS size, 0 at both ends."""
    typical = np.median([beat.window / beat.scale for beat in record.beats if beat.good], axis=0)[P_WAVE]
    wave: NDArray[np.float64] = (typical - np.linspace(typical[0], typical[-1], len(typical))) * np.hanning(
        len(typical)
    )
    return wave


def retimed(
    record: RecordBeats, rr: NDArray[np.float64], windows: Sequence[Samples], labels: list[str]
) -> RecordBeats:
    """``record`` with other intervals, s, windows and labels."""
    rhythm, t, beats = Rhythm(), 5.0, []
    for beat, interval, window in zip(record.beats, rr, windows, strict=True):
        t += interval if np.isfinite(interval) else 1.0
        known, basic, irregular = rhythm.beat(t, good=beat.good)
        beats.append(
            structs.replace(beat, r=t, rr=known, rr_local=basic, irregularity=irregular, window=window)
        )
    return replace(record, beats=beats, labels=labels)


def mostly_early(record: RecordBeats, seed: int) -> RecordBeats:
    """Runs of early beats, labelled S, at 0.62 to 0.80 of the usual interval, each run ended by a long one;
    in two of three patients with a small or an inverted P wave. All others are labelled N."""
    rng = np.random.default_rng(seed)
    rr = np.array([beat.rr for beat in record.beats])
    usual = float(np.nanmedian(rr))
    own = np.where(np.isfinite(rr), rr / usual, 1.0)
    size, coupling, early = (1.0, 0.3, -0.6)[seed % 3], rng.uniform(0.62, 0.8), np.zeros(len(rr), np.bool_)
    i = 1
    while i < len(rr):
        end = min(i + rng.geometric(1 / rng.uniform(3, 7)), len(rr))
        early[i:end] = True
        rr[i:end] = usual * coupling * own[i:end] * rng.normal(1, 0.03, end - i)
        calm = min(end + rng.geometric(0.6), len(rr))
        rr[end:calm] = usual * own[end:calm]
        rr[end : end + 1] *= rng.uniform(1.05, 1.5)
        i = calm
    wave = p_wave(record)
    windows = [beat.window.copy() for beat in record.beats]
    for window, beat, odd in zip(windows, record.beats, early, strict=True):
        if odd:
            window[P_WAVE] += ((size - 1) * wave * beat.scale).astype(np.float32)
    return retimed(record, rr, windows, ["S" if odd else "N" for odd in early])


def fibrillating(record: RecordBeats, seed: int, size: float) -> RecordBeats:
    """Atrial fibrillation from time to time: no P wave, waves of ``size`` (in units of the QRS) at 5 to 8 a
    second, intervals that scatter by 20 %."""
    rng = np.random.default_rng(seed)
    rr = np.array([beat.rr for beat in record.beats])
    usual = float(np.nanmedian(rr))
    wave, rate, phase = p_wave(record), rng.uniform(5, 8), rng.uniform(0, 2 * np.pi, 3)
    windows, labels = [], list(record.labels)
    for i, beat in enumerate(record.beats):
        window = beat.window.copy()
        if any(first <= beat.r < last for first, last in FIBRILLATES):
            rr[i] = max(0.38, 0.85 * usual * np.exp(rng.normal(0, 0.2)))
            t = beat.r + (N - R_INDEX) / FS
            turn = 2 * np.pi * rate * t + 1.5 * np.sin(2 * np.pi * 0.3 * t)
            waves = (np.sin(turn + phase[0]) + 0.4 * np.sin(2 * turn + phase[1])) * (
                1 + 0.4 * np.sin(2 * np.pi * 0.21 * t + phase[2])
            )
            window[P_WAVE] -= (wave * beat.scale).astype(np.float32)
            window += (size * beat.scale * waves).astype(np.float32)
            labels[i] = "Nf" if labels[i] == "N" else labels[i]
        windows.append(window)
    return retimed(record, rr, windows, labels)


def blocking(record: RecordBeats, seed: int, blocked: float, conducted: float) -> RecordBeats:
    """A bundle branch that blocks for ``blocked`` beats (mean) and conducts for ``conducted``, by turns: the
    blocked ones are wide, with a late second wave, and come in time."""
    rng = np.random.default_rng(seed)
    sign, wide = rng.choice([-1, 1]), np.abs(N - (R_INDEX + 4)) < 15
    late = 0.9 * np.exp(-(((N - R_INDEX - 10) / 4) ** 2) / 2) - 0.35 * np.exp(
        -(((N - R_INDEX - 32) / 9) ** 2) / 2
    )
    windows, labels, block = [], list(record.labels), False
    for i, beat in enumerate(record.beats):
        block = rng.random() > 1 / blocked if block else rng.random() < 1 / conducted
        window = beat.window.copy()
        if block and labels[i] == "N":
            slurred = np.where(wide, np.convolve(window, np.ones(7) / 7, "same"), window)
            window = (slurred + sign * late * beat.scale).astype(np.float32)
            labels[i] = "Nb"
        windows.append(window)
    return replace(
        record,
        beats=[structs.replace(beat, window=w) for beat, w in zip(record.beats, windows, strict=True)],
        labels=labels,
    )


WAYS: dict[str, tuple[str, Callable[[RecordBeats, int], RecordBeats]]] = {
    "most beats early": ("S", mostly_early),
    "fibrillating, waves 3 % of the QRS": ("Nf", lambda r, seed: fibrillating(r, seed, 0.03)),
    "fibrillating, waves 8 %": ("Nf", lambda r, seed: fibrillating(r, seed, 0.08)),
    "fibrillating, waves 15 %": ("Nf", lambda r, seed: fibrillating(r, seed, 0.15)),
    "block, 3 beats in 11": ("Nb", lambda r, seed: blocking(r, seed, 3, 8)),
    "block, 5 beats in 10": ("Nb", lambda r, seed: blocking(r, seed, 5, 5)),
    "block, 40 beats in 80": ("Nb", lambda r, seed: blocking(r, seed, 40, 40)),
}
"""What is done to the patients, and the label of the beats it is done to."""


def kept(record: RecordBeats, scores: NDArray[np.float64], label: str) -> NDArray[np.float64]:
    """Scores of the beats of one class behind the learning time."""
    times = np.array([beat.r for beat in record.beats])
    found: NDArray[np.float64] = scores[
        (times > LEARNING) & np.isfinite(scores) & (np.array(record.labels) == label)
    ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of MIT-BIH")
    records = [labelled(parser.parse_args().data / name) for name in DS1]
    seeds = {name: seed for seed, name in enumerate(SINUS)}
    normal: list[NDArray[np.float64]] = []
    altered: dict[str, list[NDArray[np.float64]]] = {way: [] for way in WAYS}
    for half in (0, 1):
        judge = Judge(None, fit_scoring(None, records[1 - half :: 2], "centred"), "centred")
        held = records[half::2]
        normal += scores(judge, held, "N")
        for way, (label, alter) in WAYS.items():
            sick = [alter(r, seeds[r.patient]) for r in held if r.patient in seeds]
            altered[way] += scores(judge, sick, label)
    usual = np.concatenate(normal)
    limit = np.quantile(usual, 0.99)
    rows = [["made sick", "beats", "above 99 % of normal ones", "AUROC"]]
    for way, parts in altered.items():
        odd = np.concatenate(parts)
        rows.append([way, str(len(odd)), f"{(odd > limit).mean():.3f}", f"{auroc(odd, usual):.3f}"])
    print(columns(rows))


def scores(judge: Judge, records: list[RecordBeats], label: str) -> list[NDArray[np.float64]]:
    """Those of the beats with this label, one array a record."""
    return [
        kept(record, np.array([np.nan if j is None else j.score for j in found]), label)
        for record, found in zip(records, judge_records(judge, records), strict=True)
    ]


if __name__ == "__main__":
    main()
