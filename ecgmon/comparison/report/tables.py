"""One table an experiment: for the terminal, as markdown, as HTML and as rows for JSON."""

from __future__ import annotations

import html
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, Final

from ecgmon.comparison.report.figures import (
    COLUMNS,
    COST,
    DECISION,
    RANKING,
    Column,
    Figure,
    Row,
    Shown,
    best,
    labels,
    read_rows,
    rows,
)
from ecgmon.comparison.report.material import Experiment
from ecgmon.evaluation.table import columns

WIDTH: Final = 150
"""No line of the text is longer."""

BEST: Final = "*"

MOST_DECIMALS: Final = 6
"""What would need more is written with an exponent."""

SPREAD: Final = "mean \N{PLUS-MINUS SIGN} standard deviation over fits (seeds and patient folds)"

_RECALL: Final = Column("accuracy_abnormal", "", "acc. abn. = recall", "rate", most=True)
"""Accuracy on abnormals is the recall: one column on the terminal, where columns are dear."""


def text(experiment: Experiment) -> str:
    """Two blocks of at most 150 columns: how well each variant ranks and what it costs, then what each
    threshold gives. Names that are too long are cut in the middle."""
    found = rows(experiment)
    if not found:
        return f"{experiment.title}\nno finished cell{_failed(experiment)}"
    reads = read_rows(found)
    ranking = _block(reads, labels(reads, threshold=False), [*COST, *RANKING], experiment, fits=True)
    wanted = [_RECALL if c.key == "accuracy_abnormal" else c for c in DECISION if c.key != "recall"]
    decision = _block(found, labels(found), _present(found, wanted), experiment, fits=False)
    marks = f"{SPREAD}; {BEST} best of the column{_failed(experiment)}"
    return "\n\n".join(part for part in (f"{experiment.title}\n{marks}", ranking, decision) if part)


def markdown(experiment: Experiment, keys: Sequence[str] = ()) -> str:
    """A table with all columns, or those named by ``keys``: of ``COLUMNS`` in
    :mod:`ecgmon.comparison.report.figures`, and ``fits``."""
    found = rows(experiment)
    chosen = [column for column in _present(found, COLUMNS) if not keys or column.key in keys]
    fits, reference = not keys or "fits" in keys, _reference(experiment)
    heads = [
        "variant", *(["fits"] if fits else []), *([reference] if reference else []),
        *(column.head for column in chosen),
    ]  # fmt: skip
    marked = [best(found, column) for column in chosen]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for i, (row, label) in enumerate(zip(found, labels(found), strict=True)):
        line = [_escaped(label)]
        line += [str(len(row.cells))] if fits else []
        line += [_published(row)] if reference else []
        for column, top in zip(chosen, marked, strict=True):
            value = shown(row.figures[column.key], column.shown)
            line.append(f"**{value}** {_escaped(BEST)}" if i in top else value)
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def html_table(experiment: Experiment) -> str:
    """All columns, sortable by the page's script; a cell has its mean in full in ``data-v`` and its spread in
    ``data-s``."""
    found = rows(experiment)
    chosen, reference = _present(found, COLUMNS), _reference(experiment)
    marked = [best(found, column) for column in chosen]
    body = []
    for i, (row, label) in enumerate(zip(found, labels(found), strict=True)):
        cells = [
            f'<th scope="row">{html.escape(label)}</th>',
            f'<td data-v="{len(row.cells)}">{len(row.cells)}</td>',
        ]
        if reference:
            exact = "" if row.reference is None else str(row.reference)
            cells.append(f'<td data-v="{exact}">{_published(row)}</td>')
        cells += [
            _cell(row.figures[column.key], column, marked=i in top)
            for column, top in zip(chosen, marked, strict=True)
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    caption = html.escape(f"{experiment.title}: {SPREAD}; an asterisk marks the best mean of a column")
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{caption}">'
        f'<table class="sortable"><caption>{caption}</caption><thead>{_head(chosen, reference)}</thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def json_rows(experiment: Experiment) -> list[dict[str, Any]]:
    """The rows in full: names, the number of fits, and each figure as ``{"mean", "spread", "n"}``."""
    return [
        {
            "variant": row.variant.name,
            "reading": row.reading,
            "threshold_name": row.threshold or None,
            "fits": len(row.cells),
            "reference": row.reference,
            **{
                column.key: {"mean": f.mean, "spread": f.spread, "n": f.n}
                for column in COLUMNS
                for f in (row.figures[column.key],)
            },
        }
        for row in rows(experiment)
    ]


def shown(figure: Figure, kind: Shown) -> str:
    """Such as ``0.912±0.013``; no spread of one fit or of equal counts, a hyphen where there is nothing."""
    if figure.mean is None:
        return "-"
    scale = max(abs(figure.mean), figure.spread or 0.0)
    if 0.0 < scale < sys.float_info.min:  # a limit just beside 0, that nothing equals
        return "<0" if figure.mean < 0.0 else ">0"
    decimals = 3 if kind == "rate" else _decimals(scale)
    mean = f"{figure.mean:.{decimals}f}" if decimals <= MOST_DECIMALS else f"{figure.mean:.3g}"
    if figure.spread is None or (kind == "count" and not figure.spread):
        return mean
    spread = f"{figure.spread:.{decimals}f}" if decimals <= MOST_DECIMALS else f"{figure.spread:.3g}"
    return f"{mean}\N{PLUS-MINUS SIGN}{spread}"


def _decimals(scale: float) -> int:
    """Decimals that show three digits of ``scale``; none from 100 on."""
    return 0 if scale == 0 else max(0, 2 - math.floor(math.log10(scale)))


def _block(
    found: Sequence[Row],
    names: Sequence[str],
    chosen: Sequence[Column],
    experiment: Experiment,
    *,
    fits: bool,
) -> str:
    if not chosen:
        return ""
    reference = "" if fits else _reference(experiment)
    heads = ["fits"] * fits + [reference] * bool(reference) + [f"{column.head} " for column in chosen]
    lines = [heads]
    marked = [best(found, column) for column in chosen]
    for i, row in enumerate(found):
        line = [str(len(row.cells))] * fits + [_published(row)] * bool(reference)
        lines.append(
            line
            + [
                shown(row.figures[column.key], column.shown) + (BEST if i in top else " ")
                for column, top in zip(chosen, marked, strict=True)
            ]
        )
    values = columns([["", *line] for line in lines])
    room = WIDTH - max(len(line) for line in values.splitlines())
    cut = [name if len(name) <= room else _cut(name, room) for name in names]
    if len(set(cut)) < len(set(names)):
        cut = list(names)  # rather a wide line than two rows of one name
    return columns([[name, *line] for name, line in zip(["variant", *cut], lines, strict=True)])


def _cut(name: str, room: int) -> str:
    left = (room - 3) // 2
    return f"{name[:left]}...{name[len(name) - (room - 3 - left) :]}"


def _present(found: Sequence[Row], chosen: Sequence[Column]) -> list[Column]:
    """Columns in which any row has a figure."""
    return [column for column in chosen if any(row.figures[column.key].n for row in found)]


def _reference(experiment: Experiment) -> str:
    """Head of the column of published accuracies, "" where there is none."""
    return " ".join(experiment.reference_name.split()) if experiment.reference else ""


def _published(row: Row) -> str:
    return "-" if row.reference is None else f"{row.reference:.2f}"


def _failed(experiment: Experiment) -> str:
    return f"; {experiment.failed} failed" if experiment.failed else ""


def _escaped(name: str) -> str:
    """``name`` as plain text inside a markdown table."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", name).replace("<", "&lt;").replace(">", "&gt;")


def _head(chosen: Sequence[Column], reference: str) -> str:
    groups: list[tuple[str, int]] = []
    for column in chosen:
        if groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    top = "".join(f'<th colspan="{n}" scope="colgroup">{html.escape(name)}</th>' for name, n in groups)
    published = f'<th scope="col" data-k="reference">{html.escape(reference)}</th>' if reference else ""
    names = "".join(
        f'<th scope="col" data-k="{column.key}">{html.escape(column.head)}</th>' for column in chosen
    )
    return (
        f"<tr><td></td>{'<td></td>' * (2 if reference else 1)}{top}</tr>"
        f'<tr><th scope="col">variant</th><th scope="col" data-k="fits">fits</th>{published}{names}</tr>'
    )


def _cell(figure: Figure, column: Column, *, marked: bool) -> str:
    exact, spread = ("" if value is None else str(value) for value in (figure.mean, figure.spread))
    value = shown(figure, column.shown)
    content = f"<strong>{value}&nbsp;{BEST}</strong>" if marked else value
    return f'<td data-v="{exact}" data-s="{spread}">{content}</td>'
