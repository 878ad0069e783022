"""Lost chunks: a heart that stops is told of all the same, or that the stream is not analysed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from ecgmon.ecg.simulator import simulate
from ecgmon.ecg.types import Chunk, Samples
from ecgmon.monitor.arrivals import ArrivalSettings
from ecgmon.sources.memory import chunks_of
from tests.monitor.test_alarms import CALM, FS, feed, of, simulated

SHIFTS = (0.0, 0.5)
HOLD = ArrivalSettings().reorder_seconds
"""What comes behind a loss waits so long, s, for it could have been overtaken."""


def lossy(
    x: Samples, keep: Callable[[int], bool], *, shift: float = 0.0, seconds: float = 1.0
) -> list[Chunk]:
    """``x`` in chunks of ``seconds``, the first shorter by ``shift``; of the others those that ``keep``."""
    x = x[round(shift * FS) :]
    first = round((seconds - shift) * FS)
    head = chunks_of(x[:first], FS, seconds=seconds)
    rest = chunks_of(x[first:], FS, seconds=seconds)
    chunks = [*head, *(replace(c, t=c.t + first / FS) for c in rest)]
    numbered = [replace(c, seq=i, end=False) for i, c in enumerate(chunks)]
    return [c for i, c in enumerate(numbered) if i == 0 or keep(i)]


@pytest.mark.parametrize("patient", [0, 1, 2])
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("every", range(2, 13))
def test_asystole_among_losses_is_told_of_or_not_analysed(every: int, shift: float, patient: int) -> None:
    """Asystole within 11 s, and the hold, where a loss touches no more than every third second; where it
    touches more, "not analysing" stands within 26 s of the first loss."""
    x, span = simulated("asystole", patient, seconds=60.0, length=100.0)
    start = span.start - shift
    came = feed(lossy(x, lambda i: i < 10 or i % every != every - 1, shift=shift))
    asystole, noise = of(came, "asystole"), of(came, "noise")
    touched = 1 if shift == 0 else 2  # seconds that one lost chunk touches
    if every >= 3 * touched:
        assert asystole[0].fed <= start + 11 + HOLD
        assert asystole[0].onset == pytest.approx(start, abs=2.5)
    if every <= 3 * touched:
        assert noise[0].fed <= 10 + 26 + HOLD
        assert noise[0].cleared > start + 30
    assert len(asystole) <= 1
    assert len(noise) <= 1


@pytest.mark.parametrize("patient", range(6))
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("every", range(2, 13))
def test_a_stream_that_never_came_whole_is_watched_or_said_not_to_be(
    every: int, shift: float, patient: int
) -> None:
    x, span = simulated("asystole", patient, seconds=60.0, length=100.0)
    came = feed(lossy(x, lambda i: i % every != every - 1, shift=shift))
    told = of(came, "asystole", "noise")
    assert any(
        one.fed <= span.start - shift + 11 + HOLD and one.cleared > span.end - shift - 20 for one in told
    )


@pytest.mark.parametrize("patient", [0, 1, 2])
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize(
    ("keep", "within"),
    [
        (lambda i: i % 5 == 0, 20),
        (lambda i: i % 3 == 0, 16),
        (lambda i: i % 2 == 0, 20),
        (lambda i: i % 3, 26),
    ],
    ids=["4 of 5", "2 of 3", "1 of 2", "1 of 3"],
)
def test_a_stream_of_which_much_is_lost_is_not_analysed(
    keep: Callable[[int], bool], within: float, shift: float, patient: int
) -> None:
    x = simulate(120.0, FS, seed=11, index=patient, rates=CALM)[0][0]
    (one,) = feed(lossy(x, lambda i: i < 30 or i > 80 or keep(i), shift=shift))
    assert one.kind == "noise"
    assert 30 < one.fed <= 30 + within + HOLD
    assert 80 < one.cleared <= 80 + 35


@pytest.mark.parametrize("patient", [0, 1, 2])
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("every", [10, 12, 20])
def test_a_stream_of_which_little_is_lost_raises_nothing(every: int, shift: float, patient: int) -> None:
    x = simulate(120.0, FS, seed=11, index=patient, rates=CALM)[0][0]
    assert feed(lossy(x, lambda i: i % every != every - 1, shift=shift)) == []


@pytest.mark.parametrize("patient", [0, 1, 2])
@pytest.mark.parametrize("every", range(3, 13))
@pytest.mark.parametrize(("kind", "rate"), [("bradycardia", 30.0), ("tachycardia", 180.0)])
def test_a_rate_among_losses_is_told_of_or_not_analysed(
    kind: str, rate: float, every: int, patient: int
) -> None:
    """From the seventh on the rate itself, within 30 s, once, and cleared within 25 s; where more
    is lost "not analysing" stands, within 26 s of the first loss."""
    x, span = simulated(kind, patient, seconds=70.0, rate=rate, length=150.0)
    came = feed(lossy(x, lambda i: i % every != every - 1))
    if every < 7:
        (noise,) = of(came, "noise")
        assert noise.fed <= every + 26 + HOLD
        assert noise.cleared >= 149
    else:
        (one,) = came
        assert one.kind == kind
        assert span.start < one.fed <= span.start + 30 + HOLD
        assert span.start - 6 < one.onset  # an interval before the loss may be the first of them
        assert span.end - 1 < one.cleared
    assert all(one.cleared <= span.end + 25 for one in of(came, kind))


@pytest.mark.parametrize("rate", [45, 60, 75])
@pytest.mark.parametrize("every", range(2, 10))
@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0, 2.0])
def test_losses_are_no_silence(seconds: float, every: int, rate: int) -> None:
    """Beats that went with the chunks are not missed: neither asystole nor a pause nor a slow heart."""
    x, _ = simulated("bradycardia", 2, seconds=80.0, rate=float(rate), length=110.0)
    came = feed(lossy(x, lambda i: i % every != every - 1, shift=0.1, seconds=seconds))
    assert {one.kind for one in came} <= {"noise"}
