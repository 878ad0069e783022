"""Tables of the report as HTML. A cell carries its figure in full in ``data-v``, and rounded for the eye."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ecgmon.ecg.aami import CLASSES
from ecgmon.evaluation.report.ec57 import Row, averages, total
from ecgmon.evaluation.statistics import Evaluation, NoiseParts, Summary
from ecgmon.evaluation.table import of_folds

Value = float | int | str | None

PROMISES: Final = frozenset(
    {
        "beats.threshold",
        "beats.requested_false_positive_rate",
        "alerts.threshold",
        "alerts.requested_false_per_hour",
    }
)
"""Figures that are one column only where recordings differ in them, as with several models."""

SPANS: Final = frozenset({"beats.thresholds", "alerts.thresholds"})
"""Lowest and highest, of which the column of the mean tells."""

_GROUPS: Final = {
    "beats.n_per_class.": "annotated beats",
    "beats.per_class_auroc.": "AUROC against N",
    "beats.per_class_sensitivity.": "flagged share",
    "beats.false_positive_rates.": "false flags at p \N{LESS-THAN OR EQUAL TO}",
    "alerts.other_kinds.": "other alerts",
    "beats.": "beats",
    "alerts.": "alerts",
}
"""Beginning of a figure's key in the JSON to the heading that it stands under; the first that fits."""

_NAMES: Final = {
    "n": "all", "n_anomalous": "anomalous", "n_missed": "missed", "n_invented": "invented",
    "n_not_good": "not scored", "auroc": "AUROC", "auroc_strict": "AUROC strict", "auprc": "AUPRC",
    "ppv": "PPV", "f1": "F1", "realised_false_positive_rate": "false flags", "n_true": "true",
    "n_false": "false", "false_per_hour": "false/h", "n_episodes": "V runs",
    "n_episodes_found": "V runs found", "episode_sensitivity": "share found",
    "median_delay_s": "median delay, s", "p99_delay_s": "p99 delay, s", "analysed_share": "analysed",
    "mean_record_auroc": "AUROC, mean of recordings",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """``group`` is the heading above several columns."""

    group: str
    name: str


def figures(summary: Summary) -> dict[str, Value]:
    """All figures of one recording or of all pooled, by their path in the JSON, such as ``beats.auroc``; a
    realised rate by the request, ``beats.false_positive_rates.0.01``."""
    found: dict[str, Value] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{path}.{key}" if path else key, inner)
        elif path in SPANS:  # the means stand in "beats.threshold" and "alerts.threshold"
            pass
        elif isinstance(value, list):
            found.update({f"{path}.{rate['requested']:g}": rate["realised"] for rate in value})
        elif path not in {"qrs", "alerts"}:  # None as a whole: nothing was judged
            found[path] = value

    walk("", msgspec.to_builtins(summary))
    return found


def records_table(result: Evaluation) -> str:
    """Every figure of every recording, pooled figures at the foot."""
    pooled = figures(Summary(qrs=result.qrs, beats=result.beats, alerts=result.alerts))
    rows = {name: figures(summary) for name, summary in result.records.items()}
    same = {key for key in PROMISES if len({row.get(key) for row in rows.values()}) == 1}
    keys = [key for key in pooled if key not in same and key != "beats.mean_record_auroc"]
    foot: dict[str, Any] = dict(pooled)
    for key, part in (("beats.threshold", result.beats), ("alerts.threshold", result.alerts)):
        if part is not None and (span := of_folds(part)):
            foot[key] = span
    return table(
        [_column(key) for key in keys],
        {name: [row.get(key, _absent(key)) for key in keys] for name, row in rows.items()},
        {"all pooled": [foot[key] for key in keys]} if len(rows) > 1 else {},
        caption="All figures by recording",
        keys=keys,
    )


def noise_table(parts: NoiseParts) -> str:
    """All figures of the parts with added noise, and of those without."""
    rows = {"with noise": figures(parts.noisy), "without": figures(parts.clean)}
    keys = [key for key in dict.fromkeys(key for row in rows.values() for key in row) if key not in PROMISES]
    return table(
        [_column(key) for key in keys],
        {name: [row.get(key, _absent(key)) for key in keys] for name, row in rows.items()},
        {},
        caption="Parts with noise and without",
        keys=keys,
        first="part",
    )


def promises_table(result: Evaluation) -> str:
    """What became of each requested false positive rate, and how that spreads over recordings."""
    columns = [
        Column("of all scored normal and invented beats", "realised"),
        Column("of all scored normal and invented beats", "times the request"),
        *(
            Column("over recordings", name)
            for name in ("number", "median", "first quartile", "third quartile", "most")
        ),
    ]
    rows: dict[str, Sequence[Value]] = {}
    for rate in result.beats.false_positive_rates:
        s = rate.patients
        spread: list[Value] = [None] * 5 if s is None else [s.n, s.median, *s.quartiles, s.max]
        rows[f"p \N{LESS-THAN OR EQUAL TO} {rate.requested:g}"] = [rate.realised, rate.ratio, *spread]
    keys = ["realised", "ratio", "n", "median", "quartile.0", "quartile.1", "max"]
    return table(columns, rows, {}, caption="False flags, spread over recordings", keys=keys, first="at")


def ec57_tables(rows: Mapping[str, Row]) -> str:
    """The counts of each recording and their sum; then the statistics with gross and average ones."""
    sums, means = total(list(rows.values())), averages(list(rows.values()))
    counts = table(
        [_counted(name) for name in sums.counts],
        {name: list(row.counts.values()) for name, row in rows.items()},
        {"sum": list(sums.counts.values())},
        caption="Counts, beat by beat",
        keys=list(sums.counts),
    )
    statistics = table(
        [Column(*name.split(" ", 1)) for name in sums.ratios],
        {name: _rates(row) for name, row in rows.items()},
        {
            "gross": _rates(sums),
            "average": [mean for mean, _ in means.values()],
            "recordings averaged": [n for _, n in means.values()],
        },
        caption="Statistics",
        keys=list(sums.ratios),
    )
    return counts + statistics


def table(
    columns: Sequence[Column],
    rows: Mapping[str, Sequence[Value]],
    foot: Mapping[str, Sequence[Value]],
    *,
    caption: str,
    keys: Sequence[str],
    first: str = "record",
) -> str:
    """A table whose rows begin with a name, under the heading ``first``; ``keys`` are the ``data-k`` of the
    columns."""
    groups: list[tuple[str, int]] = []
    for column in columns:
        if groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    top = "".join(f'<th colspan="{n}" scope="colgroup">{html.escape(name)}</th>' for name, n in groups)
    names = "".join(
        f'<th scope="col" data-k="{html.escape(key)}">{html.escape(column.name)}</th>'
        for column, key in zip(columns, keys, strict=True)
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{html.escape(caption)}">'
        f'<table class="sortable"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr><td></td>{top}</tr>"
        f'<tr><th scope="col">{html.escape(first)}</th>{names}</tr></thead>'
        f"<tbody>{_rows(rows)}</tbody><tfoot>{_rows(foot)}</tfoot></table></div>"
    )


def shown(value: Value) -> str:
    """``value`` as it stands in a cell: shares to four decimals, small ones to three digits, an en dash where
    it is undefined."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, float) and 0 < abs(value) < 0.01:
        return f"{value:.3g}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _rows(rows: Mapping[str, Iterable[Value]]) -> str:
    return "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>{"".join(_cell(value) for value in cells)}</tr>'
        for name, cells in rows.items()
    )


def _cell(value: Value) -> str:
    exact = "" if value is None or isinstance(value, str) else str(value)
    return f'<td data-v="{html.escape(exact)}">{html.escape(shown(value))}</td>'


def _rates(row: Row) -> list[Value]:
    return [row.rate(name) for name in row.ratios]


def _absent(key: str) -> Value:
    """What a recording has of a figure that only others have: no alert of that kind."""
    return 0 if key.startswith("alerts.other_kinds.") else None


def _column(key: str) -> Column:
    if key.startswith("qrs."):
        _, at, name = key.split(".", 2)
        return Column(f"R-peaks within {at.removesuffix('ms')} ms", _NAMES.get(name, name.replace("_", " ")))
    for beginning, group in _GROUPS.items():
        if key.startswith(beginning):
            name = key.removeprefix(beginning)
            return Column(group, _NAMES.get(name, name.replace("_", " ")))
    return Column("", key)


def _counted(name: str) -> Column:
    first = name.removesuffix("*")
    if name.startswith("QRS "):
        return Column("QRS", name.removeprefix("QRS "))
    if first in CLASSES or first == "no beat":
        return Column(first, "flagged" if name.endswith("*") else "all")
    return Column("annotated, but", name)
