"""DS1 made sick: patients most of whose beats come early, since DS1 has none.

    .venv/bin/python tests/benchmarks/sick.py --data ../shared/data/mitdb

Takes the beats of DS1's patients in sinus rhythm and gives them other RR intervals: runs of early beats at
0.62 to 0.80 of the usual interval, each run ended by a long one; in two of three patients the early beats
have a small or an inverted P wave. The shapes are otherwise the patient's own, and so is the variation of the
intervals. Scored without an autoencoder, by the statistics of the other half of DS1; prints how well the
early beats stand out from all real normal beats of DS1, and what share of them lies above 99 % of these.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgmon.commands.recordings import labelled
from ecgmon.ecg.aami import DS1
from ecgmon.ecg.rr import Rhythm
from ecgmon.ecg.types import R_INDEX
from ecgmon.evaluation.ranking import auroc
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.judge import Judge, judge_records
from ecgmon.model.population import fit_scoring

SINUS = ("101", "109", "112", "115", "118", "122", "124", "205", "207", "209", "215", "220", "223", "230")
P_WAVE = slice(R_INDEX - 38, R_INDEX - 12)
LEARNING = 300.0


def made_sick(record: RecordBeats, seed: int) -> RecordBeats:
    """``record`` with most beats early, labelled S, all others N."""
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
    typical = np.median([beat.window / beat.scale for beat in record.beats if beat.good], axis=0)[P_WAVE]
    wave = (typical - np.linspace(typical[0], typical[-1], len(typical))) * np.hanning(len(typical))
    rhythm, t, beats = Rhythm(), 5.0, []
    for beat, interval, odd in zip(record.beats, rr, early, strict=True):
        t += interval if np.isfinite(interval) else 1.0
        known, basic, irregular = rhythm.beat(t, good=beat.good)
        window = beat.window.copy()
        if odd:
            window[P_WAVE] += ((size - 1) * wave * beat.scale).astype(np.float32)
        beats.append(replace(beat, r=t, rr=known, rr_local=basic, irregularity=irregular, window=window))
    return replace(record, beats=beats, labels=["S" if odd else "N" for odd in early])


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
    early: list[NDArray[np.float64]] = []
    for half in (0, 1):
        population = fit_scoring(None, records[1 - half :: 2], "centred")
        held = records[half::2]
        sick = [made_sick(r, seeds[r.patient]) for r in held if r.patient in seeds]
        for part, label, scores in ((held, "N", normal), (sick, "S", early)):
            for record, found in zip(
                part, judge_records(Judge(None, population, "centred"), part), strict=True
            ):
                values = np.array([np.nan if j is None else j.score for j in found])
                scores.append(kept(record, values, label))
    usual, odd = np.concatenate(normal), np.concatenate(early)
    print(f"early beats {len(odd)}, normal beats {len(usual)}")
    above = float((odd > np.quantile(usual, 0.99)).mean())
    print(f"AUROC {auroc(odd, usual):.3f}, above 99 % of the normal ones {above:.3f}")


if __name__ == "__main__":
    main()
