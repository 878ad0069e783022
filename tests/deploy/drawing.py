"""What a dashboard shows, drawn from the data of its queries: in Grafana's layout, not in its looks."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.deploy.dashboards import Panel, dashboards
from tests.deploy.prometheus import Series

Found = list[list[Series]]
CELL = (0.92, 0.42)
"""Inches of one cell of Grafana's grid."""

UNITS = {
    "percentunit": (100.0, " %"),
    "s": (1.0, " s"),
    "Bps": (1.0, " B/s"),
    "cps": (1.0, "/s"),
    "bytes": (1e-6, " MB"),
}

HEAD = """<!doctype html><meta charset=utf-8><title>ecgmon: dashboards</title>
<style>body{font:14px sans-serif;margin:2em;max-width:1500px}img{width:100%}code{font-size:11px}
td{padding:.2em 1em .2em 0;vertical-align:top}</style>
<h1>What the dashboards show</h1>
<p>Drawn by the tests from the answers of a real Prometheus to every panel's queries. No Grafana has run:
layout and data are right, the looks are not Grafana's.</p>"""


def write_page(folder: Path, found: Mapping[str, Found], panels: Sequence[Panel]) -> Path:
    """``index.html`` and a picture of each dashboard; ``found`` by the panel's name."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [HEAD]
    for name, dashboard in dashboards().items():
        mine = [panel for panel in panels if panel.dashboard == name]
        _figure(dashboard, {panel.json["id"]: found[panel.name] for panel in mine}).savefig(
            folder / f"{name}.png", dpi=80
        )
        parts.append(
            f'<h2>{html.escape(dashboard["title"])}</h2><img src="{name}.png" alt="panels of {name}">'
        )
        parts.append("<table>" + "".join(_row(panel, found[panel.name]) for panel in mine) + "</table>")
    page = folder / "index.html"
    page.write_text("\n".join(parts))
    return page


def _row(panel: Panel, found: Found) -> str:
    queries = "<br>".join(
        f"<code>{html.escape(target['expr'])}</code> {len(series)} series"
        for target, series in zip(panel.json["targets"], found, strict=True)
    )
    return f"<tr><td>{html.escape(panel.title)}<td>{html.escape(panel.json['description'])}<td>{queries}"


def _figure(dashboard: dict[str, Any], found: Mapping[int, Found]) -> Figure:
    everything = dashboard["panels"]
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in everything)
    figure = Figure(figsize=(24 * CELL[0], height * CELL[1]), facecolor="#f4f5f5")
    for panel in everything:
        grid = panel["gridPos"]
        left, top = grid["x"] / 24, 1 - grid["y"] / height
        if panel["type"] == "row":
            figure.text(0.005, top - 0.5 / height, panel["title"], weight="bold", size=13, va="center")
            continue
        legend = 0.4 if panel["type"] == "timeseries" else 0.14
        tall = grid["h"] / height
        bottom = top - (1 - legend) * tall
        box = (left + 0.022, bottom, grid["w"] / 24 - 0.03, top - bottom - 1 / height)
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], size=10, loc="left")
        DRAW[panel["type"]](axes, panel, found[panel["id"]])
    return figure


def _label(target: dict[str, Any], series: Series) -> str:
    text = str(target["legendFormat"])
    for name, value in series.labels.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _shown(value: float, defaults: dict[str, Any]) -> str:
    factor, unit = UNITS.get(defaults["unit"], (1.0, ""))
    return f"{value * factor:.{defaults.get('decimals', 3)}{'f' if 'decimals' in defaults else 'g'}}{unit}"


def _stat(axes: Any, panel: dict[str, Any], found: Found) -> None:
    axes.axis("off")
    defaults = panel["fieldConfig"]["defaults"]
    words = {k: v for mapping in defaults.get("mappings", []) for k, v in mapping["options"].items()}
    lines = []
    for target, many in zip(panel["targets"], found, strict=True):
        for series in many:
            value = series.values[-1]
            word = words.get(f"{value:g}", {"text": _shown(value, defaults), "color": "black"})
            lines.append((f"{_label(target, series)}: {word['text']}", word["color"]))
    for i, (text, colour) in enumerate(lines):
        axes.text(
            0.02,
            1 - (i + 0.5) / len(lines),
            text,
            color=colour,
            size=11,
            va="center",
            transform=axes.transAxes,
        )


def _timeseries(axes: Any, panel: dict[str, Any], found: Found) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    factor, unit = UNITS.get(defaults["unit"], (1.0, ""))
    broken = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
    flat = [(t, series) for t, many in zip(panel["targets"], found, strict=True) for series in many]
    end = max(t for _, series in flat for t in series.times)
    base: dict[float, float] = {}
    for target, series in flat:
        x = [t - end for t in series.times]
        y = [v * factor for v in series.values]
        label = f"{_label(target, series)}  {_last(series, defaults)}"
        if custom["stacking"]["mode"] == "normal":
            under = [base.get(t, 0.0) for t in series.times]
            axes.bar(x, y, 1.0, bottom=under, label=label)
            base.update(
                {
                    t: u + (v if math.isfinite(v) else 0.0)
                    for t, u, v in zip(series.times, under, y, strict=True)
                }
            )
        else:
            axes.plot(x, y, "--" if target["refId"] in broken else "-", label=label)
    for step in defaults["thresholds"]["steps"][1:]:
        if custom["thresholdsStyle"]["mode"] == "dashed":
            axes.axhline(step["value"] * factor, color=step["color"], lw=0.8, ls=":")
    if defaults.get("min") == 0:
        axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    axes.tick_params(labelsize=7)
    axes.set_ylabel(unit.strip(), size=7)
    axes.grid(alpha=0.3)
    axes.legend(
        fontsize=6, loc="upper left", bbox_to_anchor=(0, -0.1), ncols=2 if len(flat) > 5 else 1, frameon=False
    )


def _last(series: Series, defaults: dict[str, Any]) -> str:
    finite = [v for v in series.values if math.isfinite(v)]
    return _shown(finite[-1], defaults) if finite else "-"


def _heatmap(axes: Any, panel: dict[str, Any], found: Found) -> None:  # noqa: ARG001 - as the others
    many = sorted(found[0], key=lambda series: float(series.labels["le"]))
    times = sorted({t for series in many for t in series.times})
    rows = [dict(zip(series.times, series.values, strict=True)) for series in many]
    below = [{}, *rows[:-1]]
    cells = [
        [row.get(t, 0.0) - under.get(t, 0.0) for t in times] for row, under in zip(rows, below, strict=True)
    ]
    axes.imshow(
        cells, aspect="auto", origin="lower", cmap="Blues", extent=(times[0] - times[-1], 0, 0, len(cells))
    )
    axes.set_yticks([i + 1 for i in range(len(many))], [series.labels["le"] for series in many], size=6)
    axes.tick_params(axis="x", labelsize=7)


def _table(axes: Any, panel: dict[str, Any], found: Found) -> None:
    axes.axis("off")
    columns = panel["transformations"][0]["options"]["include"]["names"]
    cells = [[series.labels[name][:20] for name in columns] for series in found[0]]
    table = axes.table(cells, colLabels=columns, loc="upper left", cellLoc="left")
    table.auto_set_font_size(False)
    table.set_fontsize(7)


DRAW = {"stat": _stat, "timeseries": _timeseries, "heatmap": _heatmap, "table": _table}
mpl.rcParams["font.family"] = "DejaVu Sans"
