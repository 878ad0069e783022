from __future__ import annotations

import functools
from collections.abc import Callable
from typing import get_args

import msgspec
import numpy as np
import pytest
import torch

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.evaluation.ranking import auroc
from ecgmon.model.methods.autoencoder import AutoencoderMethod, AutoencoderSettings
from ecgmon.model.methods.base import Learning, Method, Reading, ScoreName, Variation
from ecgmon.model.methods.sizes import (
    Conv1dNetwork,
    ConvLstmNetwork,
    DeepConvNetwork,
    DeepNetwork,
    LstmNetwork,
    MlpNetwork,
    NetworkSettings,
)
from ecgmon.model.methods.variations import averaged
from tests.model.methods.trained import ERROR, LEARNS, SMALL, fitted

Draw = Callable[..., Samples]

NETWORKS: dict[str, NetworkSettings] = {
    "mlp": MlpNetwork(),
    "lstm": LstmNetwork(),
    "conv1d": Conv1dNetwork(),
    "conv-lstm": ConvLstmNetwork(),
    "deep": DeepNetwork(),
    "deep-conv": DeepConvNetwork(),
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_each_network_learns_normal_windows_and_finds_odd_ones(
    network: NetworkSettings, learning: Learning, draw: Draw
) -> None:
    settings = msgspec.structs.replace(LEARNS, network=network)
    if isinstance(network, LstmNetwork):  # has to find out where it is first
        settings = msgspec.structs.replace(settings, learning_rate=0.02, epochs=50)
    if isinstance(network, Conv1dNetwork):  # two channels at first
        settings = msgspec.structs.replace(settings, learning_rate=0.01, epochs=50)
    method: Method = fitted(settings, learning)
    normal, odd = draw(60, 2), draw(60, 3, wide=True)
    average = np.mean((normal - learning.train.mean(axis=0)) ** 2)
    restored = method.restore(normal)
    assert restored is not None
    assert np.mean((normal - restored) ** 2) < 0.25 * average
    found = auroc(method.score(odd, ERROR), method.score(normal, ERROR))
    assert found is not None
    assert found > 0.95
    assert method.history is not None
    assert method.history.validation[method.history.best - 1] == min(method.history.validation)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_the_same_seed_gives_the_same_scores(
    network: NetworkSettings, learning: Learning, draw: Draw
) -> None:
    few = Learning(learning.train[:70], learning.validation[:20])
    settings = AutoencoderSettings(
        network=network, epochs=2, batch=32, noise=0.1, kl_weight=0.1, augmentation=("crop", "flip")
    )
    x = draw(20, 5)
    torch.manual_seed(1)
    first = fitted(settings, few, 7)
    before = torch.get_rng_state()
    again = fitted(settings, few, 7)
    assert torch.equal(before, torch.get_rng_state())
    reading = Reading(augmentation=("blur", "contrast"), draws=2)
    assert np.array_equal(first.score(x, reading, 3), again.score(x, reading, 3))
    assert first.history == again.history
    assert not np.array_equal(first.score(x, ERROR), fitted(settings, few, 8).score(x, ERROR))


@pytest.mark.parametrize("name", ["mlp", "deep-conv"])
def test_the_kl_term_brings_the_latent_to_the_standard_normal(name: str, learning: Learning) -> None:
    settings = msgspec.structs.replace(LEARNS, network=NETWORKS[name], epochs=6)
    x = torch.from_numpy(learning.train)
    distances = []
    for weight in (1e-6, 0.1, 10.0):
        method = fitted(msgspec.structs.replace(settings, kl_weight=weight), learning)
        with torch.inference_mode():
            mean, log_variance = method.network.encode(x)
            distances.append(float(method.network.forward_training(x)[1].mean()))
        assert log_variance is not None
        second_moment = mean.square() + log_variance.exp()  # of the draws; 1 of the standard normal
        assert method.embed(learning.train) == pytest.approx(mean.numpy(), abs=1e-4)
    assert distances[0] > 2 * distances[1] > 4 * distances[2]
    assert 0.8 < float(second_moment.mean()) < 1.2
    assert float(mean.mean(dim=0).abs().max()) < 0.2


def test_more_kl_restores_less(learning: Learning) -> None:
    settings = msgspec.structs.replace(LEARNS, network=MlpNetwork(), epochs=8)
    losses = []
    for weight in (0.0, 0.3, 100.0):
        history = fitted(msgspec.structs.replace(settings, kl_weight=weight), learning).history
        assert history is not None
        losses.append(min(history.validation))
    assert losses[0] < losses[1] < losses[2]


def test_denoising_removes_noise_that_a_plain_one_copies(learning: Learning, draw: Draw) -> None:
    settings = msgspec.structs.replace(LEARNS, network=MlpNetwork())
    clean = draw(60, 4)
    noisy = (clean + 0.3 * np.random.default_rng(0).standard_normal(clean.shape)).astype(np.float32)
    left = [
        np.mean(
            (fitted(msgspec.structs.replace(settings, noise=noise), learning).restore(noisy) - clean) ** 2
        )
        for noise in (0.0, 0.3)
    ]
    assert left[1] < 0.95 * left[0]


@pytest.mark.parametrize("variation", get_args(Variation))
def test_training_on_varied_windows_restores_varied_windows_better(
    variation: Variation, learning: Learning, draw: Draw
) -> None:
    settings = msgspec.structs.replace(LEARNS, network=DeepNetwork(), epochs=12, learning_rate=1e-2)
    varied = Reading(augmentation=(variation,), draws=4)
    x = draw(60, 6)
    plain = fitted(settings, learning).score(x, varied)
    trained = fitted(msgspec.structs.replace(settings, augmentation=(variation,)), learning).score(x, varied)
    assert trained.mean() < plain.mean()


@pytest.mark.parametrize("name", get_args(ScoreName))
def test_scores_are_finite_whatever_the_window(name: ScoreName, learning: Learning) -> None:
    method = fitted(SMALL, learning)
    x = np.zeros((5, WINDOW), np.float32)
    x[1], x[2], x[3, 90], x[4] = 8.0, -3e38, 3e38, 1e-40
    for augmentation in ((), get_args(Variation)):
        scored = method.score(x, Reading(score=name, augmentation=augmentation))
        assert np.isfinite(scored).all()
        assert method.score(x[:0], Reading(score=name, augmentation=augmentation)).shape == (0,)
    assert method.restore(x[:0]).shape == (0, WINDOW)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_window_that_is_not_finite_is_neither_scored_nor_restored(
    value: float, learning: Learning, draw: Draw
) -> None:
    method = fitted(SMALL, learning)
    x = draw(5, 2)
    x[3, 7] = value
    for ask in (method.restore, method.embed, lambda bad: method.score(bad, ERROR)):
        with pytest.raises(ValueError, match="finite"):
            ask(x)


def test_the_layout_decides_which_variations_are_scored_and_not_the_values(draw: Draw) -> None:
    train, validation = draw(64, 0, unit=True), draw(16, 1, unit=True)
    train[5, 90] = 1.004  # a file's rounding
    turned = Reading(augmentation=("flip",))  # to 1 - x, or to -x
    scored = []
    for layout in ("kachuee", "centred"):
        method = fitted(SMALL, Learning(train, validation, layout))
        scored.append(method.score(validation, turned))
        plain = functools.partial(method.score, reading=ERROR)
        expected = averaged(plain, validation, turned, 0, unit=layout == "kachuee")
        assert scored[-1] == pytest.approx(expected)
    assert not np.allclose(scored[0], scored[1])


def test_a_method_must_be_fitted_first(draw: Draw) -> None:
    method = AutoencoderMethod(SMALL)
    assert method.history is None
    with pytest.raises(RuntimeError, match="fit first"):
        method.score(draw(1, 0), ERROR)
