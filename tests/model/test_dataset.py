from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ecgmon.ecg.types import WINDOW, Layout, Samples
from ecgmon.model.augmentation import AugmentationSettings, augment
from ecgmon.model.dataset import CLIP, Pairs, gather, normalise

NOTHING = AugmentationSettings(gain=0, polarity=0, shift=0, noise=0, strangers=0, odd=0, mask=0)


def test_centred_windows_are_levelled_and_scaled_by_the_stream() -> None:
    x = np.full(WINDOW, 0.3, np.float32)
    x[93] = 2.3
    out = normalise(x, 2.0, "centred")
    assert out.dtype == np.float32
    assert out[93] == pytest.approx(1.0)
    assert abs(out[:93]).max() == 0
    np.testing.assert_array_equal(
        normalise(np.stack([x, x]), np.array([2.0, 2.0]), "centred"), np.stack([out, out])
    )


def test_gain_and_offset_of_the_amplifier_leave_centred_windows_as_they_are(
    make_windows: Callable[..., Samples],
) -> None:
    x = make_windows(5)
    np.testing.assert_allclose(
        normalise(3 * x + 1, np.full(5, 3.0), "centred"), normalise(x, np.ones(5), "centred"), atol=1e-5
    )


def test_artefacts_are_clipped() -> None:
    x = np.zeros(WINDOW, np.float32)
    x[:2] = 100, -100
    assert normalise(x, 1.0, "centred")[:2].tolist() == [CLIP, -CLIP]


def test_kachuee_windows_stay_as_they_are() -> None:
    x = np.random.default_rng(0).random((3, WINDOW)).astype(np.float32)
    np.testing.assert_array_equal(normalise(x, np.full(3, 7.0), "kachuee"), x)


def test_no_patient_gives_more_than_the_limit_and_others_do_not_change_the_draw() -> None:
    def pair(n: int, start: int) -> tuple[Samples, Samples]:
        x = np.repeat(np.arange(start, start + n, dtype=np.float32)[:, np.newaxis], WINDOW, axis=1)
        return x, -x

    alone = gather(["a"], [pair(50, 0)], max_per_patient=20, seed=1)
    both = gather(["b", "a", "b"], [pair(10, 100), pair(50, 0), pair(30, 200)], max_per_patient=20, seed=1)
    assert (len(alone), len(both)) == (20, 40)
    np.testing.assert_array_equal(both.x[20:], alone.x)
    np.testing.assert_array_equal(both.reference, -both.x)
    assert (np.diff(alone.x[:, 0]) > 0).all()
    assert len(gather(["a"], [pair(50, 0)], max_per_patient=None, seed=1)) == 50
    assert len(gather([], [], max_per_patient=5, seed=1)) == 0


def _augmented(
    settings: AugmentationSettings, layout: Layout = "centred", n: int = 200
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    x = torch.linspace(-1, 1, WINDOW).repeat(n, 1)
    return x, *augment(x, 0.5 * x, settings, layout, torch.Generator().manual_seed(0))


def test_no_augmentation_changes_nothing() -> None:
    x, damaged, reference, target = _augmented(NOTHING)
    assert torch.equal(damaged, x)
    assert torch.equal(target, x)
    assert torch.equal(reference, 0.5 * x)


def test_gain_and_polarity_change_window_and_reference_together() -> None:
    settings = AugmentationSettings(gain=0.5, polarity=0.5, shift=0, noise=0, strangers=0, odd=0)
    x, _, reference, target = _augmented(settings)
    factor = target[:, -1]
    torch.testing.assert_close(reference, 0.5 * target)
    torch.testing.assert_close(target, x * factor.unsqueeze(1))
    assert factor.abs().min() >= 1 / 1.5 - 1e-6
    assert factor.abs().max() <= 1.5 + 1e-6
    assert 60 < int((factor < 0).sum()) < 140


def test_shift_moves_the_window_by_whole_samples_within_its_limit() -> None:
    x, damaged, reference, target = _augmented(
        AugmentationSettings(gain=0, polarity=0, shift=3, noise=0, strangers=0, odd=0)
    )
    steps = ((target[:, 90] - x[:, 90]) / (x[0, 1] - x[0, 0])).round()
    assert sorted(set(steps.int().tolist())) == [-3, -2, -1, 0, 1, 2, 3]
    assert torch.equal(damaged, target)
    assert torch.equal(reference, 0.5 * x)


def test_damage_is_in_the_input_and_not_in_the_target() -> None:
    settings = AugmentationSettings(gain=0, shift=0, noise=0.1, strangers=0, mask=40)
    x, damaged, _, target = _augmented(settings, "kachuee")
    assert torch.equal(target, x)
    gone = (damaged == 0).sum(dim=1)
    assert int(gone.max()) in range(30, 41)
    assert 0 < float((damaged - x)[damaged != 0].std()) < 0.1


def test_strangers_are_shown_without_reference() -> None:
    _, _, reference, _ = _augmented(AugmentationSettings(gain=0, shift=0, noise=0, strangers=0.3), n=2000)
    assert float((reference == 0).all(dim=1).float().mean()) == pytest.approx(0.3, abs=0.04)


def test_kachuee_windows_are_damaged_and_not_varied() -> None:
    settings = AugmentationSettings(gain=0.5, polarity=0.5, shift=5, noise=0, strangers=0, odd=0)
    x, damaged, _, target = _augmented(settings, "kachuee")
    assert torch.equal(damaged, x)
    assert torch.equal(target, x)


def test_pairs_alone_have_references_of_zeros() -> None:
    pairs = Pairs.alone(np.ones((3, WINDOW), np.float32))
    assert len(pairs) == 3
    assert not pairs.reference.any()
