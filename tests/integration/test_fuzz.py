"""The short form of :mod:`tests.integration.fuzz`: damaged messages beside good streams."""

from __future__ import annotations

import random
from typing import Any

from tests.integration import fuzz
from tests.integration.mutations import mutated

SHORT_GROWTH = 30.0
"""MB; a short run is not warm yet. The long one allows 10."""


def test_damaged_messages_are_counted_and_harm_no_other_stream() -> None:
    outcome = fuzz.run(6000, seed=1)
    assert outcome.problems(SHORT_GROWTH) == []
    assert {"field", "format", "fs", "leads", "samples", "size", "stream", "time", "unit"} == set(
        outcome.monitor.rejected
    )
    assert outcome.monitor.fed > outcome.good


def test_damaged_messages_through_a_broker_do_no_harm_either(mosquitto: Any) -> None:
    mosquitto.stop()
    mosquitto.configure("max_queued_messages 0")
    mosquitto.start()
    outcome = fuzz.run(1500, seed=2, url=mosquitto.url)
    assert outcome.problems(SHORT_GROWTH) == []
    assert sum(outcome.monitor.rejected.values()) > 1000


def test_the_damage_is_the_same_for_the_same_seed_and_damages_most() -> None:
    seeds = [fuzz.good_messages(1, 3.0)[0].payload]
    first, second = ([mutated(random.Random(5), seeds) for _ in range(3)] for _ in range(2))
    assert first == second
    chance = random.Random(6)
    assert sum(mutated(chance, seeds) != seeds[0] for _ in range(200)) > 190
