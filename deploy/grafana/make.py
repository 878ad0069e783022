"""Writes the dashboards that Grafana reads from the short descriptions in ``panels``.

    python deploy/grafana/make.py

A description has ``uid``, ``title``, ``description`` and ``rows``, a row has ``title``, ``height`` and
``panels``, and a panel

    title, description, unit     shown; units by Grafana's names (s, Bps, percentunit, cps, none)
    type                         stat, timeseries, heatmap or table
    width                        of the 24 columns
    queries                      expr, legend, dash (a broken line: colour is never the only sign);
                                 ``$mine`` stands for the matchers of job and instance
    words                        value: [text, colour], for values that are states
    steps                        [[null, colour], [from this value on, colour], ...]; drawn as lines
    columns                      of a table: labels, in order
    bars, stack, from_zero, graph, decimals, no_value

Plain data in, plain data out: what a dashboard can be is up to Grafana, what ours are stands here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
MINE = 'job=~"$job", instance=~"$instance"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA = 39  # of Grafana 10.4; later ones read it and bring it up to date
COLUMNS = 24
GREEN = [[None, "green"]]


def dashboard(spec: dict[str, Any]) -> dict[str, Any]:
    """One dashboard as Grafana reads it."""
    return {
        "uid": spec["uid"],
        "title": spec["title"],
        "description": spec["description"],
        "tags": ["ecgmon"],
        "editable": False,
        "graphTooltip": 1,  # one cross hair for all
        "schemaVersion": SCHEMA,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "dashboards",
                "title": "ecgmon",
                "tags": ["ecgmon"],
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "annotations": {"list": annotations()},
        "templating": {"list": variables()},
        "panels": placed(spec["rows"]),
    }


def variables() -> list[dict[str, Any]]:
    """Data source, job and instance. The job begins as the one of our prometheus.yml: all jobs would be every
    other program as well."""
    source = {
        "type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus",
        "current": {"text": "default", "value": "default"}, "refresh": 1,
    }  # fmt: skip
    job = choice("job", "label_values(ecgmon_build_info, job)", ["ecgmon"])
    instance = choice("instance", 'label_values(ecgmon_build_info{job=~"$job"}, instance)', ["$__all"])
    return [source, job, instance]


def choice(name: str, query: str, first: list[str]) -> dict[str, Any]:
    return {
        "type": "query", "name": name, "label": name.title(), "datasource": SOURCE, "definition": query,
        "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1,
        "multi": True, "includeAll": True, "allValue": ".+",
        "current": {"text": ["All"] if first == ["$__all"] else first, "value": first},
    }  # fmt: skip


def annotations() -> list[dict[str, Any]]:
    """Alerts of our rules as spans, starts of the process as moments."""
    return [
        {
            "name": "Alerts about the monitor", "datasource": SOURCE, "enable": True, "iconColor": "red",
            "expr": 'ALERTS{job=~"$job", alertstate="firing", alertname=~"Ecgmon.+"}', "step": "30s",
            "titleFormat": "{{alertname}}", "textFormat": "{{severity}} {{instance}}", "tagKeys": "severity",
        },
        {
            "name": "Starts", "datasource": SOURCE, "enable": True, "iconColor": "blue",
            "expr": f"process_start_time_seconds{{{MINE}}} * 1000", "useValueForTime": True,
            "titleFormat": "Start", "textFormat": "{{instance}}",
        },
    ]  # fmt: skip


def placed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Panels of all rows, from left to right and from top to bottom."""
    made: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        made.append({"type": "row", "title": row["title"], "collapsed": False, "panels": [],
                     "id": len(made) + 1, "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}})  # fmt: skip
        x, y, height = 0, y + 1, row.get("height", 8)
        for spec in row["panels"]:
            if x + spec["width"] > COLUMNS:
                x, y = 0, y + height
            grid = {"x": x, "y": y, "w": spec["width"], "h": height}
            made.append({**panel(spec), "id": len(made) + 1, "gridPos": grid})
            x += spec["width"]
        y += height
    return made


def panel(spec: dict[str, Any]) -> dict[str, Any]:
    kind = spec["type"]
    made = {
        "type": kind,
        "title": spec["title"],
        "description": spec["description"],
        "datasource": SOURCE,
        "targets": [target(spec, i, query) for i, query in enumerate(spec["queries"])],
        "fieldConfig": {"defaults": field(spec), "overrides": overrides(spec)},
        "options": OPTIONS[kind](spec),
    }
    if kind == "table":
        made["transformations"] = [
            {"id": "filterFieldsByName", "options": {"include": {"names": spec["columns"]}}},
            {
                "id": "organize",
                "options": {"indexByName": {name: i for i, name in enumerate(spec["columns"])}},
            },
        ]
    return made


def target(spec: dict[str, Any], number: int, query: dict[str, Any]) -> dict[str, Any]:
    kind = spec["type"]
    now = kind in {"table", "stat"} and "graph" not in spec
    return {
        "refId": "ABCDEFGH"[number],
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query["expr"].replace("$mine", MINE),
        "legendFormat": query.get("legend", "__auto"),
        "format": {"table": "table", "heatmap": "heatmap"}.get(kind, "time_series"),
        "instant": now,
        "range": not now,
    }


def field(spec: dict[str, Any]) -> dict[str, Any]:
    """Unit, limits and look of all values of a panel."""
    steps = [{"value": value, "color": colour} for value, colour in spec.get("steps", GREEN)]
    made: dict[str, Any] = {"unit": spec["unit"], "thresholds": {"mode": "absolute", "steps": steps}}
    if "decimals" in spec:
        made["decimals"] = spec["decimals"]
    if "no_value" in spec:
        made["noValue"] = spec["no_value"]
    if spec.get("from_zero") or spec.get("bars"):
        made["min"] = 0
    if "words" in spec:
        texts = {
            str(value): {"text": text, "color": colour} for value, (text, colour) in spec["words"].items()
        }
        made["mappings"] = [{"type": "value", "options": texts}]
    if spec["type"] == "timeseries":
        stacked = spec.get("stack") or spec.get("bars")
        made["color"] = {"mode": "palette-classic"}
        made["custom"] = {
            "drawStyle": "bars" if spec.get("bars") else "line",
            "lineWidth": 2,
            "fillOpacity": 60 if spec.get("bars") else 20 if stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if "steps" in spec else "off"},
        }
    elif spec["type"] == "stat":
        made["color"] = {"mode": "thresholds"}
    return made


def overrides(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Broken lines."""
    style = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}
    return [
        {"matcher": {"id": "byFrameRefID", "options": "ABCDEFGH"[i]}, "properties": [style]}
        for i, query in enumerate(spec["queries"])
        if query.get("dash")
    ]


def stat(spec: dict[str, Any]) -> dict[str, Any]:
    alone = len(spec["queries"]) == 1 and "{{" not in spec["queries"][0]["legend"]
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area" if spec.get("graph") else "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "value" if alone else "value_and_name",
    }


def timeseries(_: dict[str, Any]) -> dict[str, Any]:
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True}
    return {
        "legend": {**legend, "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def heatmap(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "exponent": 0.5, "steps": 64},
        "yAxis": {"unit": spec["unit"], "axisPlacement": "left"},
        "legend": {"show": True},
        "tooltip": {"show": True, "yHistogram": True},
    }


def table(_: dict[str, Any]) -> dict[str, Any]:
    return {"showHeader": True, "cellHeight": "sm"}


OPTIONS = {"stat": stat, "timeseries": timeseries, "heatmap": heatmap, "table": table}


def main() -> None:
    for source in sorted((HERE / "panels").glob("*.yaml")):
        made = dashboard(yaml.safe_load(source.read_text()))
        path = HERE / "dashboards" / f"{made['uid']}.json"
        path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
