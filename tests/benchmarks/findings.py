"""How often each finding of an alert is said of beats, by class of their annotation.

    .venv/bin/python tests/benchmarks/findings.py --data ../shared/data/mitdb
    .venv/bin/python tests/benchmarks/findings.py --data ../shared/data/mitdb --records DS2

First of all beats, odd or not, as if each stood in an alert: what a finding is worth. Then of the odd ones
alone, which is what alerts are made of. L and R are bundle-branch blocks, usual for these patients and not to
be called wide; the column N is the rest of the AAMI class. ``none`` has no annotation: the detector invented
it. Only beats behind the first five minutes. Last, how long the usual QRS complex of each record is found to
be. Limits were chosen on DS1; DS2 is there to report.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from ecgmon.commands.recordings import resolve
from ecgmon.commands.scored_records import run_record, stream_bundle
from ecgmon.ecg.aami import CLASS_OF
from ecgmon.ecg.morphology import STEP, qrs_limits
from ecgmon.evaluation.matching import match
from ecgmon.evaluation.table import columns
from ecgmon.evaluation.tally import LEARNING, TOLERANCES
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.findings import Rhythm, shape_of
from ecgmon.monitor.offline import StreamResult
from ecgmon.monitor.words import ORDER
from ecgmon.sources.annotations import read_annotations

CLASSES = ("N", "L, R", "S", "V", "F", "Q", "none")


def said(result: StreamResult) -> list[set[str] | None]:
    """The findings of every beat; None for those that were not scored."""
    rhythm = Rhythm()
    noted = [rhythm.note(beat, score) for beat, score in zip(result.beats, result.scores, strict=True)]
    return [
        None if note is None or score is None else {*note.shown, *shape_of(beat, score)}
        for beat, score, note in zip(result.beats, result.scores, noted, strict=True)
    ]


def classes(record: Path, result: StreamResult) -> list[str]:
    """One of CLASSES for each beat."""
    marks = read_annotations(record)
    pairs = zip((marks.samples / marks.fs).tolist(), marks.symbols, strict=True)
    beats = sorted((t, symbol) for t, symbol in pairs if symbol in CLASS_OF)
    found = match(np.array([t for t, _ in beats]), np.array([b.r for b in result.beats]), TOLERANCES[0])
    symbols = [beats[i][1] if i >= 0 else "" for i in found.detected.tolist()]
    return ["L, R" if s in {"L", "R"} else CLASS_OF[s] if s else "none" for s in symbols]


def usual_ms(result: StreamResult) -> float:
    """Duration of the usual QRS complex, ms: median over the references of a recording."""
    found = [
        qrs_limits(score.reference.astype(np.float64))
        for score in result.scores
        if score is not None and score.reference is not None
    ]
    return float(np.nanmedian([(end - onset) * STEP for onset, end in filter(None, found)]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of MIT-BIH")
    parser.add_argument("--records", default="DS1", help="names by comma, DS1 or DS2")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    scorer = Scorer(stream_bundle(args.model))
    durations: list[list[str]] = [["record", "usual QRS, ms", "bundle-branch block"]]
    counts: dict[bool, Counter[tuple[str, str]]] = {False: Counter(), True: Counter()}
    for record in resolve(args.data, args.records):
        result = run_record(record, scorer, lead="0", start_time=0.0)
        labels = classes(record, result)
        blocked = labels.count("L, R") > labels.count("N")
        durations.append([record.name, f"{usual_ms(result):.0f}", "yes" if blocked else "no"])
        for beat, score, label, found in zip(result.beats, result.scores, labels, said(result), strict=True):
            if beat.r < LEARNING or score is None or found is None:
                continue
            for count in (counts[False], counts[True]) if score.odd else (counts[False],):
                count.update({(label, code): 1 for code in (*found, "beats")})
    for odd, count in counts.items():
        rows = [["odd beats" if odd else "all beats", *CLASSES]]
        rows.append(["number", *(str(count[label, "beats"]) for label in CLASSES)])
        for code in ORDER:
            shares = [(count[label, code], count[label, "beats"]) for label in CLASSES]
            rows.append([code, *(f"{100 * k / n:.1f} %" if n else "-" for k, n in shares)])
        print(columns(rows), end="\n\n")
    print(columns(durations))


if __name__ == "__main__":
    main()
