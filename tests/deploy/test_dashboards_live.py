"""Every panel's queries against a real Prometheus that scraped a real ``serve`` under load.

No Grafana runs here; what its panels would show is drawn into ``runs/dashboards/index.html`` for a person to
look at.
"""

from __future__ import annotations

import math
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from ecgmon.bench.broker import mosquitto
from tests.deploy.dashboards import ROOT, Panel, dashboards, filled, panels
from tests.deploy.drawing import write_page
from tests.deploy.prometheus import SHIPPED, Prometheus, Series, prometheus
from tests.integration.load import Devices
from tests.integration.test_serve_mqtt import Daemon, daemon

pytestmark = pytest.mark.timeout(300)

STREAMS = 8
SPEED = 20
"""Times real time: a stream is in its sixth minute, from which on the drift counts it, within 20 s."""
SECONDS = 32.0
BAD = 5
"""Messages that are no chunks."""

RATE_INTERVAL = "10s"

ALL = list(panels())
Found = list[list[Series]]
"""Of each query of a panel the series."""


@dataclass(frozen=True)
class Watched:
    """A Prometheus that has seen some time of a daemon under load: from ``start`` to ``end``, UTC s."""

    prometheus: Prometheus
    start: float
    end: float
    page: str
    daemon: Daemon

    def found(self, panel: Panel) -> Found:
        """What the panel's queries give."""
        return [self.found_by(t["expr"], instant=t["instant"]) for t in panel.json["targets"]]

    def found_by(self, expression: str, *, instant: bool = False) -> list[Series]:
        """What a query gives, over the time or at its end."""
        query = filled(expression, RATE_INTERVAL)
        if instant:
            return self.prometheus.now(query, self.end)
        return self.prometheus.over(query, self.start, self.end, 1.0)


@pytest.fixture(scope="module")
def watched(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    program("mosquitto")
    program("mosquitto_sub")  # and with it mosquitto_pub
    folder = tmp_path_factory.mktemp("watched")
    executable = program("prometheus")
    with (
        mosquitto(folder) as broker,
        daemon(folder, broker.url, state_dir=str(folder / "state")) as served,
        prometheus(executable, folder, f"127.0.0.1:{served.http}", "1s") as seen,
    ):
        served.wait_ready()
        devices = Devices(broker.url, STREAMS, 1.0)
        devices.open()
        try:
            start = time.time()
            devices.send_at(STREAMS * SPEED)
            unreadable(broker.url, BAD)
            served.wait(lambda: time.time() - start > SECONDS and bool(drift(served.get("/metrics")[1])))
            watched = Watched(seen, start + 5.0, time.time() - 1.0, served.get("/metrics")[1], served)
            yield watched
        finally:
            devices.close()


def unreadable(url: str, times: int) -> None:
    """Messages that are no chunks."""
    message = ["-t", "ecg/bed-x/samples", "-m", "not a chunk", "--repeat", str(times)]
    subprocess.run(["mosquitto_pub", "-p", url.rpartition(":")[2], *message], check=True, timeout=20)


def drift(page: str) -> list[str]:
    return re.findall(r"^ecgmon_score_drift\{.*", page, re.MULTILINE)


@pytest.mark.parametrize("panel", ALL, ids=lambda panel: panel.name)
def test_a_panel_shows_something(panel: Panel, watched: Watched) -> None:
    for target, series in zip(panel.json["targets"], watched.found(panel), strict=True):
        assert series, f"no data: {target['expr']}"
        assert any(math.isfinite(value) for one in series for value in one.values), target["expr"]
    if panel.json["type"] == "table":
        (series,) = watched.found(panel)
        wanted = panel.json["transformations"][0]["options"]["include"]["names"]
        assert set(wanted) <= set(series[0].labels)


def test_the_load_is_what_the_panels_say(watched: Watched) -> None:
    """Not only something: the right figures, where they are known."""

    def last(query: str) -> float:
        (series,) = watched.prometheus.now(query, watched.end)
        return series.values[0]

    assert last("ecgmon_streams") == STREAMS
    assert last("rate(ecgmon_messages_total[10s])") == pytest.approx(STREAMS * SPEED, rel=0.2)
    assert last("up") == last("ecgmon_ready") == last("ecgmon_state_durable") == 1
    assert last('sum(increase(ecgmon_alerts_total{state="raised"}[1m]))') > 0
    assert last('sum(ecgmon_drops_total{reason="format"})') == last("sum(ecgmon_drops_total)") == BAD
    assert 0 < last('job_instance_stage:ecgmon_latency_seconds:p99_5m{stage="beat"}') < 10


def test_every_rule_is_healthy_and_every_recorded_series_is_there(watched: Watched) -> None:
    rules = [rule for group in watched.prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 30
    assert {rule["health"] for rule in rules} == {"ok"}, [r for r in rules if r["health"] != "ok"]
    for rule in rules:
        if rule["type"] == "recording":
            assert watched.prometheus.now(rule["name"], watched.end), rule["name"]
    firing = watched.prometheus.now('ALERTS{alertstate="firing", severity="critical"}', watched.end)
    assert not firing, firing


def test_rules_and_dashboards_name_only_what_the_daemon_exports(watched: Watched) -> None:
    exported = set(re.findall(r"^(\w+)[ {]", watched.page, re.MULTILINE))
    rules = [
        rule
        for path in (SHIPPED / "rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    expressions = [rule["expr"] for rule in rules]
    expressions += [target["expr"] for panel in ALL for target in panel.json["targets"]]
    text = re.sub(r"job_instance\w*:[\w:]+", "", "\n".join(expressions))  # recorded ones are not exported
    named = set(re.findall(r"\b(?:ecgmon|process)_\w+", text))
    assert len(named) > 40
    assert named <= exported, named - exported
    labels = set(re.findall(r'(?:stage|reason|state|kind|statistic)="([^"]+)"', watched.page))
    for values in re.findall(r'\b(?:stage|reason|state|kind|statistic)(?:=|!=|=~|!~)"([^"$]+)"', text):
        assert set(values.split("|")) <= labels, values


@pytest.mark.parametrize("dashboard", list(dashboards().values()), ids=list(dashboards()))
def test_variables_have_values_and_annotations_can_be_asked(
    dashboard: dict[str, Any], watched: Watched
) -> None:
    _, job, instance = dashboard["templating"]["list"]
    for variable in (job, instance):
        asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
        assert asked is not None
        selector = filled(asked[1], RATE_INTERVAL)
        values = watched.prometheus.ask(f"label/{asked[2]}/values", **{"match[]": selector})
        assert len(values) == 1
    assert job["current"]["value"] == ["ecgmon"]
    _, starts = dashboard["annotations"]["list"]
    for annotation in dashboard["annotations"]["list"]:
        watched.found_by(annotation["expr"])  # no alert fires, and none is to
    (series,) = watched.found_by(starts["expr"])
    assert watched.start - 120 < series.values[-1] / 1000 < watched.start


def test_what_the_panels_show_is_drawn_for_a_person(watched: Watched) -> None:
    out = ROOT / "runs" / "dashboards"
    page = write_page(out, {panel.name: watched.found(panel) for panel in ALL}, ALL)
    assert page.stat().st_size > 1000
    assert sorted(path.name for path in out.glob("*.png")) == ["ecgmon-internals.png", "ecgmon-overview.png"]
    assert all(path.stat().st_size > 50_000 for path in out.glob("*.png"))


def test_a_killed_daemon_is_shown_as_down_and_its_alert_gets_going(watched: Watched) -> None:
    """The last one: the daemon is gone then. That the alert fires a minute later, promtool has shown."""
    watched.daemon.process.kill()
    until = time.monotonic() + 20
    while not watched.prometheus.now('ALERTS{alertname="EcgmonDown", alertstate="pending"}', time.time()):
        assert time.monotonic() < until
        time.sleep(0.5)
    for title, shown in {"Daemons": "DOWN", "Ready": "NOT READY"}.items():
        (panel,) = (panel for panel in ALL if panel.title == title)
        (series,) = watched.prometheus.now(filled(panel.json["targets"][0]["expr"], "10s"), time.time())
        words = panel.json["fieldConfig"]["defaults"]["mappings"][0]["options"]
        assert words[f"{series.values[0]:g}"]["text"] == shown
