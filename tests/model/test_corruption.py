"""Normal beats made odd: as many as asked for, the same for the same seed, each way a different beat."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from ecgmon.ecg.types import R_INDEX, Samples
from ecgmon.model.corruption import corrupt, stretch

MakeWindows = Callable[..., Samples]


def beats(make_windows: MakeWindows, n: int = 1000) -> torch.Tensor:
    return torch.from_numpy(make_windows(n))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_asked_for_is_made_odd(make_windows: MakeWindows, share: float) -> None:
    x = beats(make_windows)
    changed = (corrupt(x, share, seeded()) != x).any(dim=1).float().mean()
    assert float(changed) == pytest.approx(share, abs=0.05)


def test_the_same_seed_makes_the_same_beats(make_windows: MakeWindows) -> None:
    x = beats(make_windows)
    assert torch.equal(corrupt(x, 0.5, seeded(1)), corrupt(x, 0.5, seeded(1)))
    assert not torch.equal(corrupt(x, 0.5, seeded(1)), corrupt(x, 0.5, seeded(2)))


def test_odd_beats_differ_clearly_from_normal_ones_and_stay_in_scale(make_windows: MakeWindows) -> None:
    x = beats(make_windows)
    odd = corrupt(x, 1.0, seeded())
    between = (x - x.roll(1, 0)).square().mean(dim=1).sqrt().median()
    assert float((odd - x).square().mean(dim=1).sqrt().median()) > 2 * float(between)
    assert torch.isfinite(odd).all()
    assert float(odd.abs().max()) < 6.0


def test_stretching_keeps_the_r_peak_and_widens_the_complex(make_windows: MakeWindows) -> None:
    x = beats(make_windows, 20)
    wide = stretch(x, torch.full((20, 1), 2.0))
    torch.testing.assert_close(wide[:, R_INDEX], x[:, R_INDEX])
    torch.testing.assert_close(wide[:, R_INDEX + 10], x[:, R_INDEX + 5])
    torch.testing.assert_close(stretch(x, torch.ones(20, 1)), x)
