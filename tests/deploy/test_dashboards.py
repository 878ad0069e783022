"""The dashboards as files: made by the generator, and written by the conventions of Grafana's linter.

The linter is a program of its own that is not run here. Of its rules these are checked: template-datasource,
template-job, template-instance, template-on-time-change-reload, panel-datasource, panel-title-description,
panel-units, panel-no-targets, target-job, target-instance, target-rate-interval, target-counter-agg and
uneditable-dashboard. target-promql is checked better elsewhere: Prometheus runs every query.
"""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest
import yaml

from tests.deploy.dashboards import GRAFANA, Panel, dashboards, panels

EACH = pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))
EACH_PANEL = pytest.mark.parametrize("panel", list(panels()), ids=lambda panel: panel.name)
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}")
NO_INSTANCE = {"ALERTS"}
"""Some alerts speak of no single instance, and must not be hidden by choosing one."""


def test_the_json_is_what_the_generator_makes() -> None:
    spec = importlib.util.spec_from_file_location("make", GRAFANA / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    made = [
        make.dashboard(yaml.safe_load(path.read_text()))
        for path in sorted((GRAFANA / "panels").glob("*.yaml"))
    ]
    assert {each["uid"]: each for each in made} == dashboards(), "run python deploy/grafana/make.py"


@EACH
def test_data_source_job_and_instance_are_variables(dashboard: dict[str, Any]) -> None:
    source, job, instance = dashboard["templating"]["list"]
    assert (source["type"], source["name"], source["label"]) == ("datasource", "datasource", "Data source")
    assert source["query"] == "prometheus"
    for name, variable in {"job": job, "instance": instance}.items():
        assert (variable["type"], variable["name"], variable["label"]) == ("query", name, name.title())
        assert variable["multi"]
        assert variable["allValue"] == ".+"
        assert variable["refresh"] == 2  # when the time range changes
        assert variable["datasource"]["uid"] == "${datasource}"
    assert 'job=~"$job"' in instance["definition"]
    assert dashboard["editable"] is False


@EACH
def test_ids_are_unique_and_panels_do_not_overlap(dashboard: dict[str, Any]) -> None:
    everything = dashboard["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in everything)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@EACH
def test_alerts_of_the_rules_are_annotations(dashboard: dict[str, Any]) -> None:
    expressions = [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    assert any('ALERTS{job=~"$job", alertstate="firing"' in expression for expression in expressions)


@EACH_PANEL
def test_a_panel_says_what_it_shows_in_which_unit(panel: Panel) -> None:
    assert len(panel.title) >= 3
    assert len(panel.json["description"]) >= 10
    assert panel.json["description"][-1] == "."
    assert panel.json["fieldConfig"]["defaults"]["unit"] in {
        "none", "s", "cps", "Bps", "bytes", "percentunit",
    }  # fmt: skip
    assert panel.json["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel.json["targets"]
    assert all(target["datasource"] == panel.json["datasource"] for target in panel.json["targets"])


@EACH_PANEL
def test_queries_ask_for_the_chosen_job_and_instance_and_for_rates_of_counters(panel: Panel) -> None:
    for target in panel.json["targets"]:
        expression = target["expr"]
        found = SELECTOR.findall(expression)
        assert found
        for name, matchers in found:
            assert 'job=~"$job"' in matchers
            assert 'instance=~"$instance"' in matchers or name in NO_INSTANCE
            if name.endswith(("_total", "_bucket", "_sum", "_count")):
                at = re.escape(name) + r"\{[^}]*\}"
                wrapped = re.findall(rf"(?:rate|increase)\(\s*{at}\[\$__rate_interval\]\s*\)", expression)
                assert len(wrapped) == len(re.findall(at, expression))
        assert set(re.findall(r"\[([^\]]*)\]", expression)) <= {"$__rate_interval"}
        names = re.findall(r"\b(?:ecgmon|process)_\w+|\bjob_instance\w*:\S+?(?=\{)", expression)
        assert len(names) == len(
            re.findall(r"\b(?:(?:ecgmon|process)_\w+|job_instance\w*:[\w:]+)\{", expression)
        )


@EACH_PANEL
def test_colour_is_never_the_only_sign(panel: Panel) -> None:
    """States have words, lines a legend with figures, and of two kinds of line in a panel one is broken."""
    defaults, targets = panel.json["fieldConfig"]["defaults"], panel.json["targets"]
    if "mappings" in defaults:
        texts = [option["text"] for option in defaults["mappings"][0]["options"].values()]
        assert len(set(texts)) == len(texts)
    if panel.json["type"] == "timeseries":
        assert panel.json["options"]["legend"]["displayMode"] == "table"
        if len(targets) == 2 and defaults["custom"]["drawStyle"] == "line":
            assert len(panel.json["fieldConfig"]["overrides"]) == 1
        if len(defaults["thresholds"]["steps"]) > 1:
            assert defaults["custom"]["thresholdsStyle"]["mode"] == "dashed"


def test_grafana_is_told_of_data_source_and_dashboards() -> None:
    folder = GRAFANA / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    prometheus = yaml.safe_load((GRAFANA.parent / "prometheus" / "prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "ecgmon.yml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].startswith("/")
