"""The shipped dashboards: their panels, and queries with the variables filled in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "deploy" / "grafana"


@dataclass(frozen=True)
class Panel:
    """One panel with something to show."""

    dashboard: str
    json: dict[str, Any]

    @property
    def title(self) -> str:
        return str(self.json["title"])

    @property
    def name(self) -> str:
        """As the test's id."""
        return f"{self.dashboard}: {self.title} ({self.json['id']})"


def dashboards() -> dict[str, dict[str, Any]]:
    """By the name of the file."""
    found = sorted((GRAFANA / "dashboards").glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in found}


def panels() -> Iterator[Panel]:
    for name, dashboard in dashboards().items():
        yield from (Panel(name, panel) for panel in dashboard["panels"] if panel["type"] != "row")


def filled(expression: str, rate_interval: str) -> str:
    """As Grafana sends it when the job is ours and all instances are chosen."""
    for variable, value in {
        "$__rate_interval": rate_interval, "$job": "ecgmon", "$instance": ".+",
    }.items():  # fmt: skip
        expression = expression.replace(variable, value)
    return expression
