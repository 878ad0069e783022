"""Nothing is lost and nothing invented when daemon or broker are killed; :mod:`tests.integration.faults`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.faults import FAULTS, Fault, Outcome, compare, watch
from tests.integration.watched_ward import LAZY, Broker, Plan

READY_SECONDS = 5.0


def test_the_same_alerts_come_of_a_ward_whose_daemon_or_broker_is_killed(
    new_mosquitto: Callable[[str, str], Broker], mitdb: Path, tmp_path: Path
) -> None:
    plan = Plan(mitdb, streams=6, seconds=240.0, speed=40.0, kills=2, seed=5)
    outcomes: dict[Fault, Outcome] = {}
    for fault in FAULTS[:3]:
        folder = tmp_path / fault
        folder.mkdir()
        outcomes[fault] = watch(plan, fault, new_mosquitto(fault, LAZY), folder)
    compare(outcomes["none"], outcomes["daemon"])
    compare(outcomes["none"], outcomes["broker"])
    assert outcomes["daemon"].restored == [6, 6]
    assert [outcome.restarts for outcome in outcomes.values()] == [0, 0, 0]
    assert [outcome.gaps for outcome in outcomes.values()] == [0, 0, 0]
    fresh, *again = outcomes["daemon"].ready
    assert min(again) < max(READY_SECONDS, 3 * fresh)  # the machine may be busy with other tests
