"""Does the p-value keep its promise? A share q of the normal beats may have one at or under q."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgmon.evaluation.tally import BeatTally
from ecgmon.model.realised import FALSE_POSITIVE_RATES, RealisedRate, realised_rate


def false_positive_rates(tallies: Sequence[BeatTally], *, by_record: bool = True) -> list[RealisedRate]:
    """What became of 0.1 %, 1 % and 5 %: pooled over beats, and spread over recordings that have any.

    Counted are the beats that specificity counts: scored ones that are annotated normal, or that the detector
    invented. ``by_record=False`` where a tally is of beats of unknown patients.
    """
    normal = [np.concatenate([tally.p[tally.label == "N"], tally.invented_p]) for tally in tallies]
    known = [p for p in normal if len(p)]
    pooled = np.concatenate(known) if known else None
    return [
        realised_rate(
            rate,
            None if pooled is None else float(np.mean(pooled <= rate)),
            [float(np.mean(p <= rate)) for p in known] if by_record else None,
        )
        for rate in FALSE_POSITIVE_RATES
    ]
