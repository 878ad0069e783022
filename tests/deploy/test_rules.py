"""Recording and alerting rules: judged by promtool, fired and kept silent by its unit tests, explained."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
CASES = sorted((ROOT / "tests" / "deploy" / "rules").glob("*.yml"))
NAME = re.compile(r'alertname="(\w+)"')


def alerts() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_to_say_about_rules_and_configuration(program: Callable[[str], str]) -> None:
    run(program("promtool"), "check", "rules", "--lint=all", "--lint-fatal", *RULES)
    run(program("promtool"), "check", "config", "--lint=all", "--lint-fatal", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_rules_fire_and_are_silent_as_their_unit_tests_say(case: Path, program: Callable[[str], str]) -> None:
    run(program("promtool"), "test", "rules", case)


def test_every_alert_is_fired_and_kept_silent_by_the_same_unit_test() -> None:
    shown = set()
    for case in CASES:
        for test in yaml.safe_load(case.read_text())["tests"]:
            looks = [
                {name for sample in look["exp_samples"] for name in NAME.findall(sample["labels"])}
                for look in test["promql_expr_test"]
                if "ALERTS" in look["expr"]
            ]
            shown |= {name for name in set.union(*looks) if any(name not in look for look in looks)}
    assert shown == {alert["alert"] for alert in alerts()}


def test_every_alert_says_how_grave_it_is_what_happened_and_where_the_runbook_stands() -> None:
    runbook = (PROMETHEUS / "README.md").read_text()
    sections = dict(re.findall(r"^### (\w+)\n((?:(?!#).*\n)+)", runbook, re.MULTILINE))
    assert set(sections) == {alert["alert"] for alert in alerts()}
    for alert in alerts():
        name, annotations = alert["alert"], alert["annotations"]
        assert alert["labels"] == {"severity": alert["labels"]["severity"]}
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert set(annotations) == {"summary", "description", "runbook"}
        assert annotations["runbook"] == f"deploy/prometheus/README.md#{name.lower()}"
        assert annotations["summary"][-1] != "."
        assert annotations["description"][-1] == "."
        assert len(sections[name]) > 100
