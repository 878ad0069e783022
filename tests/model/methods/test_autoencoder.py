from __future__ import annotations

import functools
from collections.abc import Callable
from typing import get_args

import msgspec
import numpy as np
import pytest
import torch

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.errors import DataError, EcgmonError
from ecgmon.evaluation.ranking import auroc
from ecgmon.model.methods.autoencoder import AutoencoderMethod, AutoencoderSettings
from ecgmon.model.methods.base import Learning, Method, Reading, ScoreName, Variation
from ecgmon.model.methods.fitting import Loss, batches
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

Draw = Callable[..., Samples]

NETWORKS: dict[str, NetworkSettings] = {
    "mlp": MlpNetwork(),
    "lstm": LstmNetwork(),
    "conv1d": Conv1dNetwork(),
    "conv-lstm": ConvLstmNetwork(),
    "deep": DeepNetwork(),
    "deep-conv": DeepConvNetwork(),
}
LEARNS = AutoencoderSettings(epochs=20, batch=32, learning_rate=5e-3, patience=20)
SMALL = AutoencoderSettings(network=DeepNetwork(sizes=(32,), latent=4), epochs=3, batch=32)
ERROR = Reading()


def fitted(settings: AutoencoderSettings, learning: Learning, seed: int = 0) -> AutoencoderMethod:
    method = AutoencoderMethod(settings)
    method.fit(learning, seed)
    return method


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


@pytest.mark.parametrize("loss", get_args(Loss))
def test_each_loss_is_the_one_that_the_history_shows(loss: Loss, learning: Learning) -> None:
    method = fitted(msgspec.structs.replace(SMALL, loss=loss), learning)
    x = learning.validation
    error = np.abs(method.restore(x) - x).astype(np.float64)
    delta = SMALL.huber_delta
    assert (error > delta).any()  # or Huber's would be half the squared error, and nothing else
    assert (error < delta).any()
    expected = {
        "mse": error**2,
        "l1": error,
        "huber": np.where(error < delta, 0.5 * error**2, delta * (error - 0.5 * delta)),
    }[loss]
    assert method.history is not None
    assert method.history.validation[method.history.best - 1] == pytest.approx(expected.mean(), rel=1e-4)


def test_training_stops_when_validation_gets_worse_and_keeps_the_best(learning: Learning, draw: Draw) -> None:
    few = Learning(learning.train[:40], draw(40, 9, wide=True))
    method = fitted(msgspec.structs.replace(LEARNS, network=MlpNetwork(), epochs=200, patience=3), few)
    h = method.history
    assert h is not None
    assert h.epochs == h.best + 3 < 200
    error = np.mean((method.restore(few.validation) - few.validation) ** 2)
    assert error == pytest.approx(h.validation[h.best - 1], rel=1e-4)


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
    assert not np.allclose(*scored)


def test_the_number_of_windows_does_not_matter_to_batch_normalisation(draw: Draw) -> None:
    for n in (2, 33, 65):
        method = fitted(SMALL, Learning(draw(n, 0), draw(1, 1)))
        assert np.isfinite(method.score(draw(3, 2), ERROR)).all()
    assert [len(b) for b in batches(65, 32, torch.Generator())] == [33, 32]
    assert sorted(torch.cat(batches(65, 32, torch.Generator())).tolist()) == list(range(65))


def test_bad_windows_are_refused(draw: Draw) -> None:
    x, nan = draw(10, 0), draw(10, 0)
    nan[3, 5] = np.nan
    for learning, message in (
        (Learning(nan, x), r"training: 1 window\(s\) hold values that are not finite"),
        (Learning(x, nan), r"validation: 1 window"),
        (Learning(x[:1], x), r"training: 1 window\(s\), at least 2"),
        (Learning(x, x[:0]), r"validation: 0 window"),
        (Learning(x[:, :100], x), r"training: windows of shape \(10, 100\)"),
    ):
        with pytest.raises(DataError, match=message):
            AutoencoderMethod(SMALL).fit(learning, 0)


def test_a_rate_that_is_too_high_is_one_line(learning: Learning) -> None:
    settings = msgspec.structs.replace(SMALL, network=MlpNetwork(), learning_rate=1.0, epochs=50, loss="mse")
    huge = Learning(1e19 * learning.train, learning.validation)
    with pytest.raises(EcgmonError, match=r"lower learning_rate \(now 1\)"):
        AutoencoderMethod(settings).fit(huge, 0)


def test_windows_may_be_read_only(draw: Draw) -> None:
    learning = Learning(draw(40, 0), draw(10, 1))
    for x in (learning.train, learning.validation):
        x.flags.writeable = False
    before = learning.train.copy()
    method = fitted(msgspec.structs.replace(SMALL, augmentation=get_args(Variation), noise=0.1), learning)
    assert np.isfinite(method.score(learning.validation, Reading(augmentation=get_args(Variation)))).all()
    assert np.array_equal(learning.train, before)


def test_a_method_must_be_fitted_first(draw: Draw) -> None:
    method = AutoencoderMethod(SMALL)
    assert method.history is None
    with pytest.raises(RuntimeError, match="fit first"):
        method.score(draw(1, 0), ERROR)
