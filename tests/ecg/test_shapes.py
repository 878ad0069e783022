"""Known QRS shapes: what they make of a complex, of noise and of a quiet stream."""

from __future__ import annotations

import numpy as np
import pytest

from ecgmon.ecg import filters, shapes
from ecgmon.ecg.resample import Signal

USUAL = 0.6


def drawn(beats: list[int], n: int) -> Signal:
    t = np.arange(n)
    y = np.zeros(n)
    for beat in beats:
        y += np.exp(-0.5 * ((t - beat) / 1.8) ** 2) - 0.4 * np.exp(-0.5 * ((t - beat - 4) / 2.0) ** 2)
    return y


def followed(y: Signal, beats: list[int], usual: float = USUAL) -> tuple[Signal, Signal]:
    """Matched height, and part that it has, of every sample; ``beats`` are learned as they pass."""
    late = np.concatenate((y, np.full(filters.ENVELOPE_DELAY, y[-1])))
    e = filters.envelope(late, 0, np.zeros(2 * filters.ENVELOPE_DELAY))
    state = shapes.state()
    heights, parts = np.full(len(y), np.nan), np.zeros(len(y))
    for n in range(len(y)):
        shapes.push(n, n == 0, e[n], y[n], 0, state)
        k = n - shapes.DELAY
        if k < 0:
            continue
        parts[k] = shapes.follow_noise(k, usual, state)
        if shapes.noise_is_due(k):
            shapes.learn_noise(state)
        heights[k] = shapes.matched(k, state)
        if k - 25 in beats:
            shapes.learn(k - 25, usual, 0, n, state)
    return heights, parts


def test_a_known_complex_has_its_usual_height_also_in_noise() -> None:
    rng = np.random.default_rng(3)
    beats = list(range(60, 60 + 100 * 40, 100))
    y = drawn(beats, 4200) + 0.002 * rng.standard_normal(4200)
    y[3000:] += 0.01 * np.cumsum(rng.standard_normal(1200))
    heights, _ = followed(y, beats[:28])
    assert heights[beats[20]] == pytest.approx(USUAL, rel=0.05)
    at_beats = np.array([heights[beat] for beat in beats[32:]])
    between = np.array([np.max(heights[beat + 30 : beat + 70]) for beat in beats[32:]])
    assert at_beats.min() > 2.0 * between.max()
    np.testing.assert_allclose(at_beats, USUAL, rtol=0.35)


def test_nothing_is_known_before_enough_beats() -> None:
    beats = list(range(60, 60 + 100 * 30, 100))
    heights, _ = followed(drawn(beats, 3200), beats[: shapes.KNOWN - 1])
    assert np.isnan(heights).all()


def test_a_quiet_stream_leaves_the_envelope_as_it_is_and_noise_does_not() -> None:
    rng = np.random.default_rng(4)
    beats = list(range(60, 60 + 100 * 40, 100))
    y = drawn(beats, 4200) + 0.002 * rng.standard_normal(4200)
    y[2500:] += 0.15 * rng.standard_normal(1700)
    _, parts = followed(y, beats)
    assert not parts[500:2480].any()
    assert (parts[3500:4100] == 1.0).all()


def test_height_does_not_hang_on_gain() -> None:
    rng = np.random.default_rng(5)
    beats = list(range(60, 60 + 100 * 30, 100))
    y = drawn(beats, 3200) + 0.01 * rng.standard_normal(3200)
    plain, _ = followed(y, beats[:25])
    turned, _ = followed(-5.0 * y, beats[:25], 5.0 * USUAL)
    late = slice(2700, 3100)
    assert np.isfinite(plain[late]).all()
    # not to the bit: LEAST_HEIGHT, in mV, counts while the filters fill
    np.testing.assert_allclose(turned[late], 5.0 * plain[late], rtol=0.01, atol=0.005 * USUAL)
