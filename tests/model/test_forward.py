"""The forward pass on a CPU gives torch's numbers, for any settings, any beats and any batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import (
    Architecture,
    Autoencoder,
    ConvLstmSettings,
    ConvSettings,
    LstmSettings,
    build,
)
from ecgmon.model.bundle import load
from ecgmon.model.forward import TOGETHER, Forward
from ecgmon.model.sliding import Chain, linear
from ecgmon.model.slots import TorchForward

SETTINGS: list[Architecture] = [
    ConvSettings(),
    LstmSettings(),
    ConvLstmSettings(),
    ConvSettings(context=0),
    ConvSettings(channels=(4, 8), latent=4, dropout=0.1, kl_weight=0.1),
    ConvSettings(channels=(3, 40, 7, 5), kernel=3, context=7),
    ConvSettings(channels=(2,), kernel=31, latent=1, context=1),
    ConvSettings(channels=(5, 6, 7, 8, 9, 10), kernel=9),
    LstmSettings(patch=1, hidden=4, context=0),
    LstmSettings(patch=64, hidden=37, layers=3, bidirectional=False),
    LstmSettings(patch=12, hidden=20, layers=2),
    ConvLstmSettings(channels=(6, 11), kernel=5, hidden=19, layers=2, latent=3),
]


def beats(n: int) -> tuple[Samples, Samples]:
    """Windows and references as different as can be."""
    x, reference = np.random.default_rng(n).standard_normal((2, n, WINDOW)).astype(np.float32)
    return x, reference


def plain(model: Autoencoder) -> TorchForward:
    return TorchForward(model, torch.device("cpu"))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_restores_what_torch_restores(settings: Architecture) -> None:
    torch.manual_seed(0)
    model = build(settings)
    x, reference = beats(2 * TOGETHER + 7)
    expected = plain(model)(x, reference)
    np.testing.assert_allclose(Forward(model)(x, reference), expected, rtol=1e-5, atol=3e-6)
    without = plain(model)(x, 0 * x)
    if settings.context:
        assert np.abs(expected - without).max() > 0.1  # the reference does something here


def test_so_it_does_with_the_weights_that_ship() -> None:
    model = load("default").autoencoder()
    x, reference = beats(200)
    np.testing.assert_allclose(Forward(model)(x, reference), plain(model)(x, reference), rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("settings", [ConvSettings(), LstmSettings(), ConvLstmSettings()], ids=str)
@pytest.mark.parametrize("n", [1, 2, 11, TOGETHER])
def test_a_beat_is_the_same_to_the_bit_in_any_company(settings: Architecture, n: int) -> None:
    torch.manual_seed(0)
    forward = Forward(build(settings))
    x, reference = beats(3 * TOGETHER)
    parts = [forward(x[at : at + n], reference[at : at + n]) for at in range(0, len(x), n)]
    np.testing.assert_array_equal(np.concatenate(parts), forward(x, reference))


@pytest.mark.parametrize("settings", [ConvSettings(), LstmSettings(), ConvLstmSettings()], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so_and_touches_no_other_beat(settings: Architecture, value: float) -> None:
    torch.manual_seed(0)
    model = build(settings)
    forward = Forward(model)
    x, reference = beats(40)
    expected = forward(x, reference)
    x[7, 100] = value
    found = forward(x, reference)
    others = np.arange(40) != 7
    np.testing.assert_array_equal(found[others], expected[others])
    np.testing.assert_array_equal(np.isfinite(found[7]), np.isfinite(plain(model)(x, reference)[7]))


def test_gelu_holds_from_end_to_end() -> None:
    one = nn.Linear(1, 1)
    with torch.no_grad():
        one.weight.fill_(1.0)
        one.bias.fill_(0.0)
    x = np.concatenate((np.linspace(-20, 20, 4001), [-1e30, 1e30, -np.inf, np.inf, np.nan]))
    x = x.astype(np.float32)[:, None]
    expected = nn.functional.gelu(torch.from_numpy(x).double()).numpy()
    found = Chain([linear(one, None, 1, gelu=True)])(x)
    normal = np.abs(x) <= 20
    np.testing.assert_allclose(found[normal], expected[normal], rtol=1e-6, atol=1e-6)
    assert found[-4, 0] == np.float32(1e30)
    assert found[-2, 0] == np.inf
    assert np.isnan(found[-1, 0])


def test_later_training_does_not_change_it() -> None:
    model = build(ConvSettings())
    forward = Forward(model)
    x, reference = beats(3)
    before = forward(x, reference)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    np.testing.assert_array_equal(forward(x, reference), before)


def test_a_layer_that_it_does_not_know_is_refused() -> None:
    model = build(ConvSettings())
    model.decoder.append(nn.ReLU())  # type: ignore[operator] # a Sequential
    with pytest.raises(TypeError, match="no forward pass for ReLU"):
        Forward(model)


@pytest.mark.parametrize("shape", [(2, WINDOW - 1), (3, WINDOW), (WINDOW,)])
def test_beats_and_references_must_be_whole_windows_and_as_many(shape: tuple[int, ...]) -> None:
    forward = Forward(build(ConvSettings()))
    x, _ = beats(2)
    with pytest.raises(ValueError, match="of shape"):
        forward(x, np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="reach to 7"):
        Chain([linear(nn.Linear(7, 2), None, 1, gelu=False)])(np.zeros((3, 6), np.float32))
