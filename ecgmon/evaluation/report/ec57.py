"""Counts and statistics in the layout of ANSI/AAMI EC57 (testing of rhythm and ST segment algorithms).

EC57 asks for two ways of pooling: *gross* statistics add the counts of all recordings first, so that each
beat weighs the same; *average* statistics are means of the recordings' own figures, so that each patient
weighs the same, and leave out the recordings for which a figure is undefined (0 / 0).

Deviation: EC57's beat statistics compare classes, and this detector has none to offer. A flag says "not usual
for this patient", never "ventricular". So ``V Se`` is the share of V beats that were flagged, and ``V +P`` is
reckoned against normal beats and inventions alone: flagged beats of the other anomalous classes count neither
for nor against, as EC57 does with F and Q when it judges VEB. There is one flag, hence one false positive
rate for all classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecgmon.ecg.aami import ANOMALOUS, CLASSES
from ecgmon.evaluation.tally import TOLERANCES, Tally

Ratio = tuple[int, int]
"""Part and whole."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recording, or the sum of all.

    counts    name of the column to number of beats
    ratios    name of the statistic to the counts it is made of
    """

    counts: Mapping[str, int]
    ratios: Mapping[str, Ratio]

    def rate(self, name: str) -> float | None:
        """The statistic, 0..1; None where it is undefined."""
        part, whole = self.ratios[name]
        return part / whole if whole else None


def row(tally: Tally) -> Row:
    """The counts of one recording. ``X`` counts all annotated beats of class X, also those that were not
    detected or not scored; ``X*`` those that were flagged; ``no beat`` are detections without an annotation.
    """
    beats = tally.beats
    counts: dict[str, int] = {}
    if tally.qrs is not None:
        qrs = tally.qrs[TOLERANCES[0]]
        counts |= {"QRS TP": qrs.found, "QRS FN": qrs.missed, "QRS FP": qrs.invented}
    for name in CLASSES:
        seen = beats.label == name
        counts[name] = int(seen.sum() + (beats.missed == name).sum() + (beats.not_good == name).sum())
        counts[f"{name}*"] = int(beats.odd[seen].sum())
    counts["no beat"] = len(beats.invented) + beats.invented_not_good
    counts["no beat*"] = int(beats.invented_odd.sum())
    counts["not detected"] = len(beats.missed)
    counts["not scored"] = len(beats.not_good)

    anomalous = sum(counts[name] for name in ANOMALOUS)
    true = sum(counts[f"{name}*"] for name in ANOMALOUS)
    false = counts["N*"] + counts["no beat*"]
    ratios: dict[str, Ratio] = {}
    if tally.qrs is not None:
        tp = counts["QRS TP"]
        ratios |= {"QRS Se": (tp, tp + counts["QRS FN"]), "QRS +P": (tp, tp + counts["QRS FP"])}
    ratios |= {"any Se": (true, anomalous), "any +P": (true, true + false)}
    ratios["any FPR"] = (false, int((beats.label == "N").sum()) + len(beats.invented))
    for name in ("V", "S", "F"):
        flagged = counts[f"{name}*"]
        ratios |= {f"{name} Se": (flagged, counts[name]), f"{name} +P": (flagged, flagged + false)}
    return Row(counts, ratios)


def total(rows: Sequence[Row]) -> Row:
    """The sum; its rates are the gross statistics. All rows must have the same columns, and there must be
    one."""
    return Row(
        {name: sum(row.counts[name] for row in rows) for name in rows[0].counts},
        {
            name: (sum(row.ratios[name][0] for row in rows), sum(row.ratios[name][1] for row in rows))
            for name in rows[0].ratios
        },
    )


def averages(rows: Sequence[Row]) -> dict[str, tuple[float | None, int]]:
    """Average statistics: mean over the recordings where it is defined, and how many those are."""
    found = {name: [rate for row in rows if (rate := row.rate(name)) is not None] for name in rows[0].ratios}
    return {name: (sum(rates) / len(rates) if rates else None, len(rates)) for name, rates in found.items()}
