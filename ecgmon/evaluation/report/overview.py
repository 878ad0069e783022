"""The top of the page: where the figures come from, and the few that matter most."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.evaluation.statistics import Evaluation
from ecgmon.evaluation.table import added_noise, number, of_folds, small
from ecgmon.evaluation.tally import BeatTally

Fact = tuple[str, str, str]
"""What, its figure, and what belongs to it."""


def origin(result: Evaluation) -> str:
    """Which model was measured on what, and warnings: of added noise, and where the model had learned from
    the same recordings."""
    text = f'<p class="note">model: {_pairs(result.model)}<br>data: {_pairs(result.data)}</p>'
    if noise := added_noise(result):
        text += (
            f"<p><strong>Noise was added to the recordings: {html.escape(noise)}.</strong> These are figures "
            "of a noise stress test, not of the recordings as they are.</p>"
        )
    if seen := result.data.get("seen_in_training"):
        names = ", ".join(html.escape(str(name)) for name in seen)
        text += f"<p><strong>The model was trained on {names}:</strong> new patients will fare worse.</p>"
    return text


def facts(result: Evaluation) -> str:
    """The main figures of all recordings pooled; first of all whether there was noise added to them."""
    cells = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}<small>{html.escape(more)}</small></dd></div>"
        for name, value, more in [*_noise(result), *_detector(result), *_beats(result), *_alerts(result)]
    )
    return f'<dl class="facts">{cells}</dl>'


def unseen(tallies: Sequence[BeatTally]) -> str:
    """A sentence on the anomalous beats that were missed before there was a score."""
    parts = [
        f"{n} {name}"
        for name in ANOMALOUS
        if (n := sum(int(np.sum(t.missed == name)) + int(np.sum(t.not_good == name)) for t in tallies))
    ]
    if not parts:
        return ""
    return (
        "<p>Further anomalous beats were missed because the detector did not find them or the signal was not "
        f"good, and have no score to show: {', '.join(parts)}.</p>"
    )


def _noise(result: Evaluation) -> list[Fact]:
    noise = added_noise(result)
    return [("Noise", noise, "added for two minutes of every four, after five")] if noise else []


def _detector(result: Evaluation) -> list[Fact]:
    return [
        (f"R-peaks within {at.removesuffix('ms')} ms, F1", number(q.f1),
         f"sensitivity {number(q.sensitivity)}, PPV {number(q.ppv)}, {q.n} beats")
        for at, q in (result.qrs or {}).items()
    ]  # fmt: skip


def _beats(result: Evaluation) -> list[Fact]:
    b = result.beats
    classes = b.per_class_auroc or {}
    span = of_folds(b)
    at = f"each fold's own threshold ({span})" if span else f"p \N{LESS-THAN OR EQUAL TO} {b.threshold:.3g}"
    by_class = ", ".join(f"{name} {number(value, 3)}" for name, value in classes.items() if value is not None)
    found: list[Fact] = [
        ("Area under the ROC curve", number(b.auroc), by_class),
        ("Average precision (AUPRC)", number(b.auprc), f"{b.n_anomalous} of {b.n} beats are anomalous"),
        (f"Sensitivity at {at}", number(b.sensitivity), f"PPV {number(b.ppv)}, F1 {number(b.f1)}"),
        ("Normal and invented beats flagged", _percent(b.realised_false_positive_rate),
         f"requested {_percent(b.requested_false_positive_rate)}{', mean over beats' if span else ''}"),
    ]  # fmt: skip
    if b.mean_record_auroc is not None:
        found.insert(
            1, ("Mean area of the recordings", number(b.mean_record_auroc), "each patient weighs the same")
        )
    return found


def _alerts(result: Evaluation) -> list[Fact]:
    a = result.alerts
    if a is None:
        return []
    delay = "" if a.median_delay_s is None else f"after {number(a.median_delay_s, 1)} s (median)"
    at = of_folds(a) or f"p \N{LESS-THAN OR EQUAL TO} {small(a.threshold)}"
    requested = f"requested {small(a.requested_false_per_hour)}, at {at}"
    return [
        ("False alerts an hour", small(a.false_per_hour),
         f"{requested}; {a.n_false} of {a.n} alerts in {a.hours:.2f} h"),
        ("Runs of V beats that raised an alert", f"{a.n_episodes_found} of {a.n_episodes}", delay),
    ]  # fmt: skip


def _percent(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{100 * value:.3g} %"


def _pairs(values: Mapping[str, Any]) -> str:
    texts = {key: _text(value) for key, value in values.items() if key != "seen_in_training"}
    return "; ".join(
        f"{html.escape(key.replace('_', ' '))} <code>{html.escape(text)}</code>"
        for key, text in texts.items()
        if text
    )


def _text(value: Any) -> str:
    """A setting in words: of what is said recording by recording each value once, of lists of lists the
    number; "" for what does not fit into a line."""
    if isinstance(value, Mapping):
        flat = all(isinstance(inner, str) for inner in value.values())
        counts = Counter(value.values()) if flat else {}
        return ", ".join(f"{inner} ({n})" for inner, n in counts.items())
    if isinstance(value, list | tuple):
        nested = any(not isinstance(inner, str) for inner in value)
        return str(len(value)) if nested else ", ".join(value)
    return "" if value is None else str(value)
