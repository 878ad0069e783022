"""The figures of ``evaluate --json``: what each means, and from which counts it comes.

All rates are 0..1. A figure that cannot be computed (no anomalous beat, no alert, no hour scored) is None,
``null`` in JSON. Pooled figures are gross statistics in the sense of ANSI/AAMI EC57: the counts of all
recordings are added first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.evaluation.alarms import AlertTally
from ecgmon.evaluation.false_positives import false_positive_rates
from ecgmon.evaluation.ranking import auroc, average_precision
from ecgmon.evaluation.tally import BeatTally, QrsTally, Tally
from ecgmon.model.realised import RealisedRate


class Requested(msgspec.Struct, frozen=True, kw_only=True):
    """What the model promises.

    threshold               p-value at or under which a beat is odd
    false_positive_rate     share of normal beats that it is meant to flag; for streams the threshold itself;
                            None where it was chosen by F-beta
    alert_threshold         p-value at or under which a beat counts towards an alert; None for single windows
    false_alerts_per_hour   that the latter was chosen for; None where it was chosen otherwise
    thresholds, alert_thresholds
                            lowest and highest, of several models whose ``threshold`` is but a mean
    """

    threshold: float
    false_positive_rate: float | None
    alert_threshold: float | None
    false_alerts_per_hour: float | None
    thresholds: tuple[float, float] | None = None
    alert_thresholds: tuple[float, float] | None = None


class Qrs(msgspec.Struct, frozen=True, kw_only=True):
    """The detector at one tolerance."""

    sensitivity: float | None
    ppv: float | None
    f1: float | None
    n: int
    """Annotated beats."""
    n_missed: int
    n_invented: int


class Beats(msgspec.Struct, frozen=True, kw_only=True):
    """Odd beats among all beats.

    Ranking (``auroc``, ``auprc``, ``per_class_auroc``) is over the beats that have an annotation and a score.
    Beats that lack one of them are counted (``n_missed``, ``n_not_good``, ``n_invented``), and
    ``auroc_strict`` ranks them too: a beat without a score below all others, for it can never be flagged, an
    invented beat as a normal one.

    At the threshold nothing is left out: an anomalous beat that was missed or not scored is one not flagged,
    and an invented beat has no anomaly to be flagged for.
    """

    n: int
    """Annotated beats: scored, missed and not good."""
    n_anomalous: int
    """Those among them whose class is not N."""
    n_missed: int
    """Annotated beats that the detector did not find."""
    n_invented: int
    """Detected beats that no annotation belongs to."""
    n_not_good: int
    """Beats, annotated or invented, that were not scored because the signal was not good."""
    n_per_class: dict[str, int]
    auroc: float | None
    auroc_strict: float | None
    auprc: float | None
    mean_record_auroc: float | None
    """Mean of ``auroc`` over the recordings that have beats of both kinds."""
    per_class_auroc: dict[str, float | None] | None
    """Each class against N; None as a whole where the labels tell only normal from not normal."""
    per_class_sensitivity: dict[str, float | None] | None
    threshold: float
    """p-value at or under which a beat is odd; comes from normal beats of other patients alone. Pooled over
    recordings that several models judged: the mean over recordings, a threshold that none of them was judged
    at."""
    thresholds: tuple[float, float] | msgspec.UnsetType = msgspec.UNSET
    """Lowest and highest, only where recordings pooled were judged at different ones."""
    sensitivity: float | None
    """Flagged share of all anomalous beats, missed and unscored ones included."""
    specificity: float | None
    """Share not flagged, of the scored beats that are normal or invented."""
    ppv: float | None
    """Share of the flagged beats that are anomalous."""
    f1: float | None
    requested_false_positive_rate: float | None
    """The share of normal beats that the threshold is meant to flag; pooled over several models, the mean
    weighted by the beats that the realised one counts."""
    realised_false_positive_rate: float | None
    """1 - specificity."""
    false_positive_rates: list[RealisedRate]
    """The same at other thresholds than the one in force: what calibration promises of p-values. Their
    ``patients`` is the spread over recordings."""


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of kind ``anomalous-beats``; how each is judged stands in
    :func:`ecgmon.evaluation.alarms.judge`."""

    n: int
    n_true: int
    n_false: int
    hours: float
    """Scored time: the length of the recordings less the learning time."""
    threshold: float | None
    """p-value at or under which a beat counts towards an alert; pooled over several models, the mean."""
    thresholds: tuple[float, float] | msgspec.UnsetType = msgspec.UNSET
    """Lowest and highest, only where recordings pooled were judged at different ones."""
    false_per_hour: float | None
    requested_false_per_hour: float | None
    n_episodes: int
    """Runs of three or more V beats."""
    n_episodes_found: int
    n_episodes_already_standing: int
    """Those found by an alert that was raised before their first beat, because of others."""
    episode_sensitivity: float | None
    median_delay_s: float | None
    """From the third R-peak of a found episode to the moment the alert was raised; without the episodes for
    which one already stood."""
    p99_delay_s: float | None
    in_alert_share: float | None
    """Share of the scored time within alerts, from first odd beat to last. Alerts that stand most of the time
    find every episode."""
    normal_in_alert_share: float | None
    """Share of the scored normal beats within alerts."""
    other_kinds: dict[str, int]
    """Alerts of other kinds; beat annotations cannot judge them."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One recording, or many pooled."""

    qrs: dict[str, Qrs] | None
    beats: Beats
    alerts: Alerts | None


class Part(Summary, frozen=True, kw_only=True):
    """Some part of all recordings, pooled: with noise, or without."""

    hours: float
    analysed_share: float | None
    """Share of the annotated beats that were found and scored."""


class NoiseParts(msgspec.Struct, frozen=True, kw_only=True):
    """The noise stress test, taken apart; the other figures are over both parts together."""

    noisy: Part
    clean: Part
    """Between the noisy parts; the five minutes of learning before them are in neither."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of ``evaluate --json``."""

    qrs: dict[str, Qrs] | None
    beats: Beats
    alerts: Alerts | None
    records: dict[str, Summary]
    model: dict[str, Any]
    data: dict[str, Any]
    noise: NoiseParts | msgspec.UnsetType = msgspec.UNSET
    """Only of a noise stress test."""


def evaluation(
    tallies: Mapping[str, Tally],
    requested: Mapping[str, Requested],
    *,
    model: dict[str, Any],
    data: dict[str, Any],
) -> Evaluation:
    """Figures of each recording, with what was ``requested`` of it, and of all pooled."""
    records = {name: summary([tally], requested[name]) for name, tally in tallies.items()}
    every = list(tallies.values())
    pooled = summary(every, together([requested[name] for name in tallies], every))
    return Evaluation(
        qrs=pooled.qrs, beats=pooled.beats, alerts=pooled.alerts, records=records, model=model, data=data
    )


def together(requested: Sequence[Requested], tallies: Sequence[Tally]) -> Requested:
    """What was requested of recordings pooled, each with its tally.

    The threshold is the mean over recordings. Rates are weighted by what they are rates of: the beats that
    can be flagged falsely, and the hours. They are None where not all recordings were given one.
    """
    if len(set(requested)) == 1:
        return requested[0]
    threshold, span = _mean_and_span([r.threshold for r in requested])
    known = [r.alert_threshold for r in requested if r.alert_threshold is not None]
    of_alerts = _mean_and_span(known) if known else (None, None)
    normal = [int((t.beats.label == "N").sum()) + len(t.beats.invented) for t in tallies]
    return Requested(
        threshold=threshold,
        false_positive_rate=_weighted([r.false_positive_rate for r in requested], normal),
        false_alerts_per_hour=_weighted(
            [r.false_alerts_per_hour for r in requested], [t.hours for t in tallies]
        ),
        thresholds=span,
        alert_threshold=of_alerts[0],
        alert_thresholds=of_alerts[1],
    )


def _mean_and_span(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """The mean, and lowest and highest where they differ."""
    low, high = min(values), max(values)
    return sum(values) / len(values), (low, high) if low < high else None


def summary(tallies: Sequence[Tally], requested: Requested) -> Summary:
    """Figures of ``tallies`` pooled; at least one is needed, and all must have the same parts."""
    qrs = [tally.qrs for tally in tallies if tally.qrs is not None]
    alerts = [tally.alerts for tally in tallies if tally.alerts is not None]
    return Summary(
        qrs={f"{1000 * at:.0f}ms": _qrs([q[at] for q in qrs]) for at in qrs[0]} if qrs else None,
        beats=beat_statistics([tally.beats for tally in tallies], requested),
        alerts=_alerts(alerts, sum(tally.hours for tally in tallies), requested) if alerts else None,
    )


def beat_statistics(tallies: Sequence[BeatTally], requested: Requested, *, classes: bool = True) -> Beats:
    """Figures of beats pooled over recordings; ``classes=False`` where labels only tell normal from not
    normal."""
    label, score, odd, missed, not_good, invented, invented_odd = (
        np.concatenate([getattr(tally, part) for tally in tallies])
        for part in ("label", "score", "odd", "missed", "not_good", "invented", "invented_odd")
    )
    annotated = np.concatenate([label, missed, not_good])
    anomalous, normal = score[label != "N"], score[label == "N"]
    true = int(odd[label != "N"].sum())
    false = int(odd[label == "N"].sum() + invented_odd.sum())
    n_anomalous = int((annotated != "N").sum())
    sensitivity = _ratio(true, n_anomalous)
    specificity = _ratio(len(normal) + len(invented) - false, len(normal) + len(invented))
    ppv = _ratio(true, true + false)
    unscored = np.full(len(missed) + len(not_good), -np.inf)
    lost = np.concatenate([missed, not_good]) != "N"
    return Beats(
        n=len(annotated),
        n_anomalous=n_anomalous,
        n_missed=len(missed),
        n_invented=len(invented) + sum(tally.invented_not_good for tally in tallies),
        n_not_good=len(not_good) + sum(tally.invented_not_good for tally in tallies),
        n_per_class={name: int((annotated == name).sum()) for name in ("N", *ANOMALOUS)} if classes else {},
        auroc=auroc(anomalous, normal),
        auroc_strict=auroc(
            np.concatenate([anomalous, unscored[lost]]), np.concatenate([normal, invented, unscored[~lost]])
        ),
        auprc=average_precision(anomalous, normal) if len(normal) else None,
        mean_record_auroc=_mean(
            auroc(tally.score[tally.label != "N"], tally.score[tally.label == "N"]) for tally in tallies
        ),
        per_class_auroc={name: auroc(score[label == name], normal) for name in ANOMALOUS}
        if classes
        else None,
        per_class_sensitivity={
            name: _ratio(int(odd[label == name].sum()), int((annotated == name).sum())) for name in ANOMALOUS
        }
        if classes
        else None,
        threshold=requested.threshold,
        thresholds=msgspec.UNSET if requested.thresholds is None else requested.thresholds,
        sensitivity=sensitivity,
        specificity=specificity,
        ppv=ppv,
        f1=_f1(true, false, n_anomalous - true),
        requested_false_positive_rate=requested.false_positive_rate,
        realised_false_positive_rate=_ratio(false, len(normal) + len(invented)),
        false_positive_rates=false_positive_rates(tallies),
    )


def _qrs(tallies: Sequence[QrsTally]) -> Qrs:
    found = sum(tally.found for tally in tallies)
    missed = sum(tally.missed for tally in tallies)
    invented = sum(tally.invented for tally in tallies)
    return Qrs(
        sensitivity=_ratio(found, found + missed),
        ppv=_ratio(found, found + invented),
        f1=_f1(found, invented, missed),
        n=found + missed,
        n_missed=missed,
        n_invented=invented,
    )


def _alerts(tallies: Sequence[AlertTally], hours: float, requested: Requested) -> Alerts:
    true = np.concatenate([tally.true for tally in tallies])
    delay = np.concatenate([tally.delay for tally in tallies])
    stood = np.concatenate([tally.stood for tally in tallies])
    found = ~np.isnan(delay)
    kinds = sorted({kind for tally in tallies for kind in tally.other})
    return Alerts(
        n=len(true),
        n_true=int(true.sum()),
        n_false=int((~true).sum()),
        hours=hours,
        false_per_hour=_ratio(int((~true).sum()), hours),
        threshold=requested.alert_threshold,
        thresholds=msgspec.UNSET if requested.alert_thresholds is None else requested.alert_thresholds,
        requested_false_per_hour=requested.false_alerts_per_hour,
        n_episodes=len(delay),
        n_episodes_found=int(found.sum()),
        n_episodes_already_standing=int(stood.sum()),
        episode_sensitivity=_ratio(int(found.sum()), len(delay)),
        median_delay_s=_percentile(delay[found & ~stood], 50),
        p99_delay_s=_percentile(delay[found & ~stood], 99),
        in_alert_share=_ratio(sum(tally.inside for tally in tallies) / 3600, hours),
        normal_in_alert_share=_ratio(
            sum(tally.normal_inside for tally in tallies), sum(tally.normal for tally in tallies)
        ),
        other_kinds={kind: sum(tally.other.get(kind, 0) for tally in tallies) for kind in kinds},
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _f1(true: int, false: int, missed: int) -> float | None:
    """Harmonic mean of sensitivity and positive predictivity."""
    return _ratio(2 * true, 2 * true + false + missed)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _weighted(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Mean of ``values``; None where one is missing or nothing weighs anything, unless all are the same."""
    if len(set(values)) == 1:
        return values[0]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return _ratio(sum(v * w for v, w in zip(known, weights, strict=True)), sum(weights))


def _percentile(values: NDArray[np.float64], q: float) -> float | None:
    return float(np.percentile(values, q)) if len(values) else None
