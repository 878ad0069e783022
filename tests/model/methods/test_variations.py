from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.methods.base import Floats, Reading, Variation
from ecgmon.model.methods.variations import (
    BLUR,
    GAIN,
    LEVEL,
    SHIFT,
    TILT,
    WAYS,
    averaged,
    blur,
    flip,
    shift,
    solarise,
    vary,
)

Draw = Callable[..., Samples]
NAMES: tuple[Variation, ...] = get_args(Variation)

unit_values = st.floats(0, 1, width=32)
centred_values = st.floats(-8, 8, width=32)
seeds = st.integers(0, 2**32)


def windows(values: st.SearchStrategy[float]) -> st.SearchStrategy[Tensor]:
    return st.integers(1, 4).flatmap(
        lambda n: arrays(np.float32, (n, WINDOW), elements=values, fill=values).map(torch.from_numpy)
    )


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_variation_of_the_settings_exists() -> None:
    assert set(WAYS) == set(NAMES)


@settings(max_examples=40, deadline=None)
@given(windows(unit_values), st.lists(st.sampled_from(NAMES), min_size=1, max_size=6), seeds)
def test_windows_within_0_and_1_stay_there(x: Tensor, names: list[Variation], seed: int) -> None:
    y = vary(x, names, drawn(seed), unit=True)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert float(y.min()) >= 0.0
    assert float(y.max()) <= 1.0


@settings(max_examples=40, deadline=None)
@given(windows(centred_values), st.sampled_from(NAMES), seeds)
def test_centred_windows_grow_no_more_than_is_said(x: Tensor, name: Variation, seed: int) -> None:
    y = vary(x, [name], drawn(seed), unit=False)
    assert y.shape == x.shape
    limit = float(x.abs().max()) * (GAIN if name == "contrast" else 1) + (
        TILT / 2 if name == "rotation" else 0
    )
    assert float(y.abs().max()) <= limit * (1 + 1e-5) + 1e-6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [False, True], ids=["centred", "unit"])
def test_a_seed_gives_the_same_draws_and_another_seed_others(name: Variation, unit: bool, draw: Draw) -> None:
    x = torch.from_numpy(draw(50, 0, unit=unit))
    first, again, other = (vary(x, [name], drawn(seed), unit=unit) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, x)
    assert torch.equal(x, torch.from_numpy(draw(50, 0, unit=unit)))  # in place is nothing changed


@pytest.mark.parametrize("name", NAMES)
def test_each_window_has_draws_of_its_own(name: Variation, draw: Draw) -> None:
    y = vary(torch.from_numpy(draw(1, 0)).expand(40, -1), [name], drawn(0), unit=False)
    assert len({tuple(row.tolist()) for row in y}) >= (3 if name == "flip" else 15)


def test_a_share_is_left_as_it_is(draw: Draw) -> None:
    x = torch.from_numpy(draw(2000, 0))
    changed = (vary(x, ["contrast"], drawn(0), unit=False, share=0.3) != x).any(dim=1)
    assert 0.25 < float(changed.float().mean()) < 0.35


@settings(max_examples=40, deadline=None)
@given(windows(centred_values), st.integers(-SHIFT, SHIFT))
def test_a_shift_moves_the_inside_and_can_be_taken_back(x: Tensor, by: int) -> None:
    moves = torch.full((len(x), 1), by)
    back = shift(shift(x, moves), -moves)
    inside = slice(SHIFT, WINDOW - SHIFT)
    assert torch.equal(back[:, inside], x[:, inside])
    assert torch.equal(shift(x, moves)[:, inside], x.roll(-by, dims=1)[:, inside])


@settings(max_examples=40, deadline=None)
@given(windows(unit_values), st.booleans(), st.booleans(), st.booleans())
def test_a_flip_done_twice_is_nothing(x: Tensor, time: bool, polarity: bool, unit: bool) -> None:
    in_time, in_polarity = (torch.full((len(x), 1), value) for value in (time, polarity))
    twice = flip(flip(x, in_time, in_polarity, unit=unit), in_time, in_polarity, unit=unit)
    torch.testing.assert_close(twice, x, atol=1e-6, rtol=0)


@settings(max_examples=40, deadline=None)
@given(windows(centred_values), st.floats(*LEVEL))
def test_solarise_folds_what_is_above_the_level_and_nothing_else(x: Tensor, level: float) -> None:
    levels = torch.full((len(x), 1), level)
    low, high = x.amin(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
    fold = low + level * (high - low)
    y = solarise(x, levels)
    below = x <= fold
    assert torch.equal(y[below], x[below])
    torch.testing.assert_close(y[~below], (2 * fold - x)[~below], atol=1e-5, rtol=1e-5)
    assert bool((y >= low - 1e-4).all())
    assert bool((y <= fold + 1e-4).all())


@settings(max_examples=40, deadline=None)
@given(windows(centred_values), st.floats(*BLUR))
def test_a_blur_is_a_mean_of_neighbours(x: Tensor, sigma: float) -> None:
    y = blur(x, torch.full((len(x), 1), sigma))
    assert bool((y <= x.amax(dim=1, keepdim=True) + 1e-5).all())
    assert bool((y >= x.amin(dim=1, keepdim=True) - 1e-5).all())
    constant = x[:, :1].expand(-1, WINDOW)
    torch.testing.assert_close(blur(constant, torch.full((len(x), 1), sigma)), constant, atol=1e-5, rtol=1e-5)


def test_a_wider_blur_leaves_less(draw: Draw) -> None:
    x = torch.from_numpy(draw(20, 0))
    heights = [blur(x, torch.full((20, 1), sigma)).amax(dim=1) for sigma in (0.5, 1.0, 2.0, 3.0)]
    assert all(bool((b < a).all()) for a, b in pairwise(heights))


def test_a_tilt_is_a_line(draw: Draw) -> None:
    x = torch.from_numpy(draw(30, 0))
    line = vary(x, ["rotation"], drawn(0), unit=False) - x
    bend = line.diff(n=2, dim=1).abs().max()
    assert float(bend) < 1e-5
    assert 0.05 < float((line[:, -1] - line[:, 0]).abs().max()) <= TILT + 1e-5


def heights(x: Samples) -> Floats:
    highest: Floats = x.max(axis=1).astype(np.float64)
    return highest


def test_the_score_without_variations_is_the_plain_one(draw: Draw) -> None:
    x = draw(20, 0)
    assert np.array_equal(averaged(heights, x, Reading(), 0, unit=False), heights(x))


def test_the_score_is_the_mean_of_the_window_and_its_draws(draw: Draw) -> None:
    x = draw(1500, 0)  # more than is varied at once
    reading = Reading(augmentation=("flip",), draws=3)
    scored = averaged(heights, x, reading, 5, unit=False)
    # A flip in time keeps the height, one in polarity gives that of -x: i of 3 draws do.
    possible = np.stack([((4 - i) * heights(x) + i * heights(-x)) / 4 for i in range(4)])
    which = np.abs(possible - scored).argmin(axis=0)
    assert np.allclose(np.take_along_axis(possible, which[np.newaxis], axis=0)[0], scored, atol=1e-6)
    assert set(which) == {0, 1, 2, 3}
    assert np.array_equal(scored, averaged(heights, x, reading, 5, unit=False))
    assert not np.array_equal(scored, averaged(heights, x, reading, 6, unit=False))


def test_no_score_sees_more_than_normalised_windows_have(draw: Draw) -> None:
    highest: list[float] = []

    def score(x: Samples) -> Floats:
        highest.append(float(np.abs(x).max()))
        return heights(x)

    averaged(score, 1e30 * draw(20, 0), Reading(augmentation=("contrast",), draws=3), 0, unit=False)
    assert highest == [8.0] * 4
