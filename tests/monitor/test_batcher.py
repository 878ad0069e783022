"""Size or deadline, on a clock that the test holds."""

from __future__ import annotations

import pytest

from ecgmon.monitor.batcher import Batcher, BatchSettings


@pytest.fixture
def batcher() -> Batcher[str]:
    return Batcher(BatchSettings(size=3, seconds=0.5))


def test_an_empty_line_is_never_due(batcher: Batcher[str]) -> None:
    assert not batcher.due(1e9)
    assert batcher.wait(0.0, longest=0.2) == 0.2


def test_beats_are_due_when_there_are_enough(batcher: Batcher[str]) -> None:
    for i in range(3):
        assert not batcher.full
        batcher.add(f"beat {i}", beat=True, now=0.0)
    assert batcher.full
    assert batcher.due(0.0)
    assert batcher.take() == (["beat 0", "beat 1", "beat 2"],) * 2
    assert not batcher.due(9.0)


def test_the_first_beat_sets_the_deadline(batcher: Batcher[str]) -> None:
    batcher.add("first", beat=True, now=10.0)
    batcher.add("second", beat=True, now=10.4)
    assert not batcher.due(10.49)
    assert batcher.wait(10.3, longest=1.0) == pytest.approx(0.2)
    assert batcher.wait(10.3, longest=0.05) == 0.05
    assert batcher.due(10.5)
    assert batcher.wait(10.6, longest=1.0) == 0.0


def test_what_needs_no_scorer_does_not_wait_unless_it_stands_behind_a_beat(batcher: Batcher[str]) -> None:
    batcher.add("second of signal", beat=False, now=0.0)
    assert batcher.due(0.0)
    batcher.add("beat", beat=True, now=0.0)
    assert not batcher.due(0.0)
    assert batcher.take() == (["second of signal", "beat"], ["beat"])


def test_a_new_line_has_a_new_deadline(batcher: Batcher[str]) -> None:
    batcher.add("beat", beat=True, now=0.0)
    batcher.take()
    batcher.add("beat", beat=True, now=100.0)
    assert not batcher.due(100.4)
    assert batcher.beats == 1
