"""The evaluation as text that a person can read on a terminal of 120 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.evaluation.statistics import Alerts, Beats, Evaluation, Part, Qrs, Summary
from ecgmon.model.realised import RealisedRate

Cell = Callable[[Summary], str]

WIDTH: Final = 120
"""No line is longer."""

TITLE: Final = 14
"""Width of what stands before a line of facts."""


def render(result: Evaluation) -> str:
    """The figures of all recordings pooled, then one line for each recording."""
    blocks = [
        _qrs(result.qrs),
        _beats(result.beats),
        _alerts(result.alerts),
        _noise(result),
        _records(result),
    ]
    return "\n\n".join(block for block in blocks if block)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equal length as columns: the first to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def number(value: float | None, digits: int = 4) -> str:
    """``value`` with so many decimals; "-" where it is undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def small(value: float | None) -> str:
    """``value`` to three digits, be it ever so small; "-" where it is undefined."""
    if value is None:
        return "-"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def of_folds(part: Beats | Alerts) -> str:
    """From which threshold to which, where recordings were judged at different ones; "" otherwise."""
    if isinstance(part.thresholds, msgspec.UnsetType):
        return ""
    return " to ".join(small(threshold) for threshold in part.thresholds)


def added_noise(result: Evaluation) -> str:
    """Which noise was added at which signal-to-noise ratio, such as ``em 0 dB``; "" where none was."""
    kinds = result.data.get("noise", {}).get("kinds", {})
    return ", ".join(f"{kind} {level:g} dB" for kind, level in kinds.items())


def _qrs(qrs: dict[str, Qrs] | None) -> str:
    if qrs is None:
        return ""
    rows = [["R-peaks", "sensitivity", "PPV", "F1", "annotated", "missed", "invented"]]
    rows += [
        [f"within {name.removesuffix('ms')} ms", number(q.sensitivity), number(q.ppv), number(q.f1)]
        + [str(count) for count in (q.n, q.n_missed, q.n_invented)]
        for name, q in qrs.items()
    ]
    return columns(rows)


def _beats(b: Beats) -> str:
    requested, realised = _rate(b.requested_false_positive_rate), _rate(b.realised_false_positive_rate)
    span, least = of_folds(b), f"{b.threshold:.3g}"
    at = f"sensitivity {number(b.sensitivity)}, PPV {number(b.ppv)}, F1 {number(b.f1)}"
    facts = [
        [
            "beats",
            f"{b.n} annotated, {b.n_anomalous} anomalous; {b.n_missed} missed, {b.n_invented} invented",
        ],
        ["", f"{b.n_not_good} not scored because the signal was not good"],
        ["AUROC", f"{number(b.auroc)}; with missed, invented and unscored beats {number(b.auroc_strict)}"],
        *(
            [["", f"mean of the recordings {number(b.mean_record_auroc)}"]]
            if b.mean_record_auroc is not None
            else []
        ),
        ["AUPRC", number(b.auprc)],
        ["thresholds", f"{at}, at each fold's own threshold ({span})"] if span else [f"p <= {least}", at],
        ["false flags", f"requested {requested}, realised {realised} of normal and invented beats"],
    ]
    facts += _false_positives(b.false_positive_rates)
    if b.per_class_auroc is None or b.per_class_sensitivity is None:
        return _facts(facts)
    rows = [["class", *ANOMALOUS], ["beats", *(str(b.n_per_class[name]) for name in ANOMALOUS)]]
    for title, values in (("AUROC against N", b.per_class_auroc), ("sensitivity", b.per_class_sensitivity)):
        rows.append([title, *(number(values[name]) for name in ANOMALOUS)])
    return f"{_facts(facts)}\n\n{columns(rows)}"


def _false_positives(rates: Sequence[RealisedRate]) -> list[list[str]]:
    """One line for each p-value: what it realised over all normal and invented beats, and how that spreads
    over recordings. None where there is no such beat."""
    facts = []
    for rate in rates:
        if rate.realised is None:
            continue
        text = f"realised {_rate(rate.realised)} ({number(rate.ratio, 2)} times)"
        if rate.patients is not None and rate.patients.n > 1:
            s = rate.patients
            low, high = s.quartiles
            text += f"; recordings: median {_rate(s.median)}, quartiles {_rate(low)} and {_rate(high)}, "
            text += f"most {_rate(s.max)}"
        facts.append([f"p <= {rate.requested:g}", text])
    return facts


def _alerts(a: Alerts | None) -> str:
    if a is None:
        return ""
    requested, realised = small(a.requested_false_per_hour), small(a.false_per_hour)
    found = f"{a.n_episodes_found} of {a.n_episodes} runs of three or more V beats raised one"
    at = small(a.threshold) if not (span := of_folds(a)) else f"each fold's own ({span})"
    share = "" if a.episode_sensitivity is None else f" ({number(a.episode_sensitivity, 3)})"
    facts = [
        ["alerts", f"{a.n} in {a.hours:.2f} h, {a.n_false} of them false"],
        ["false an hour", f"requested {requested}, realised {realised}, at p <= {at}"],
        [
            "in alerts",
            f"{_rate(a.in_alert_share)} of the time, {_rate(a.normal_in_alert_share)} of normal beats",
        ],
        ["episodes", f"{found}{share}"],
    ]
    if a.median_delay_s is not None:
        delay = f"{number(a.median_delay_s, 1)} s (median), {number(a.p99_delay_s, 1)} s (99th percentile)"
        facts.append(["", f"after {delay}"])
    if a.n_episodes_already_standing:
        facts.append(
            ["", f"{a.n_episodes_already_standing} of them while an alert already stood, without delay"]
        )
    if a.other_kinds:
        facts.append(["other alerts", ", ".join(f"{kind} {count}" for kind, count in a.other_kinds.items())])
    return _facts(facts)


def _noise(result: Evaluation) -> str:
    """With noise and without: how well beats are found, how many are judged, what is false."""
    if isinstance(result.noise, msgspec.UnsetType):
        return ""
    rows = [["", "hours", *(f"F1 {at}" for at in result.qrs or {})]]
    rows[0] += ["beats", "analysed", "false alerts", "an hour"]
    for name, part in (("parts with noise", result.noise.noisy), ("parts without", result.noise.clean)):
        rows.append([name, *_noise_cells(part)])
    return f"noise: {added_noise(result)}\n{columns(rows)}"


def _noise_cells(part: Part) -> list[str]:
    cells = [number(part.hours, 2), *(number(q.f1) for q in (part.qrs or {}).values()), str(part.beats.n)]
    cells.append("-" if part.analysed_share is None else f"{100 * part.analysed_share:.1f} %")
    if part.alerts is None:
        return [*cells, "-", "-"]
    return [*cells, str(part.alerts.n_false), small(part.alerts.false_per_hour)]


def _facts(rows: Sequence[Sequence[str]]) -> str:
    lines: list[str] = []
    for title, text in rows:
        start, rest = f"{title:<{TITLE}}", " " * TITLE
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=start, subsequent_indent=rest, break_on_hyphens=False
        )
    return "\n".join(lines)


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3g} %"


def _records(result: Evaluation) -> str:
    if len(result.records) < 2:
        return ""
    cells: dict[str, Cell] = {
        "beats": lambda s: str(s.beats.n),
        "anomalous": lambda s: str(s.beats.n_anomalous),
    }
    if result.qrs is not None:
        cells |= {
            f"F1 {name}": lambda s, name=name: number(s.qrs[name].f1) if s.qrs else "-"  # type: ignore[misc]
            for name in result.qrs
        }
    cells |= {
        "AUROC": lambda s: number(s.beats.auroc),
        "AUPRC": lambda s: number(s.beats.auprc),
        "sens.": lambda s: number(s.beats.sensitivity, 3),
        "PPV": lambda s: number(s.beats.ppv, 3),
        "false flags": lambda s: small(s.beats.realised_false_positive_rate),
    }
    if result.alerts is not None:
        cells |= {
            "alerts": lambda s: str(s.alerts.n) if s.alerts else "-",
            "false": lambda s: str(s.alerts.n_false) if s.alerts else "-",
            "episodes": lambda s: f"{s.alerts.n_episodes_found}/{s.alerts.n_episodes}" if s.alerts else "-",
        }
    rows = [[cell(summary) for cell in cells.values()] for summary in result.records.values()]
    values = columns([["", *cells], *(["", *row] for row in rows)])
    room = WIDTH - max(len(line) for line in values.splitlines())
    names = [name if len(name) <= room else f"...{name[3 - room :]}" for name in result.records]
    return columns([["record", *cells], *([name, *row] for name, row in zip(names, rows, strict=True))])
