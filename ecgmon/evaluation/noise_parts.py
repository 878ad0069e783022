"""The noise stress test, taken apart: how the parts with noise fare, and the parts between them.

The usual figures count everything behind the first five minutes, as ``bxb`` does by default and as papers do
that give one figure for a record of the MIT-BIH Noise Stress Test Database; half of that time is clean. The
parts with noise alone are the harder measure, and the parts without say whether noise does harm when it is
over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ecgmon.ecg.noise import Span, spans
from ecgmon.evaluation.statistics import NoiseParts, Part, Requested, summary, together
from ecgmon.evaluation.tally import Scored, tally


def noise_parts(
    records: Mapping[str, Scored], requested: Mapping[str, Requested], *, qrs: bool = True
) -> NoiseParts:
    """Figures of both parts, all ``records`` (at least one) pooled; ``requested`` by the same names.

    ``qrs=False`` as for :func:`ecgmon.evaluation.tally.tally`.
    """
    promised = [requested[name] for name in records]
    parts = [spans(3600.0 * record.hours) for record in records.values()]
    noisy, clean = (
        _part(list(records.values()), [part[i] for part in parts], promised, qrs=qrs) for i in (0, 1)
    )
    return NoiseParts(noisy=noisy, clean=clean)


def _part(
    records: Sequence[Scored], parts: Sequence[Sequence[Span]], requested: Sequence[Requested], *, qrs: bool
) -> Part:
    tallies = [tally(record, qrs=qrs, part=part) for record, part in zip(records, parts, strict=True)]
    figures = summary(tallies, together(requested, tallies))
    scored = sum(len(each.beats.label) for each in tallies)
    annotated = scored + sum(len(each.beats.missed) + len(each.beats.not_good) for each in tallies)
    return Part(
        qrs=figures.qrs,
        beats=figures.beats,
        alerts=figures.alerts,
        hours=sum(each.hours for each in tallies),
        analysed_share=scored / annotated if annotated else None,
    )
