from __future__ import annotations

import importlib.util
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from ecgmon.config import convert
from ecgmon.ecg.types import Samples
from ecgmon.errors import DependencyError, EcgmonError
from ecgmon.evaluation.ranking import auroc
from ecgmon.model.methods.autoencoder import AutoencoderMethod, AutoencoderSettings
from ecgmon.model.methods.base import Learning, Method, Reading
from ecgmon.model.methods.classical_settings import (
    ClassicalSettings,
    IsolationForestSettings,
    OneClassSvmSettings,
)
from ecgmon.model.methods.deep_svdd import DeepSvdd, DeepSvddSettings, Scaling
from ecgmon.model.methods.latent import LatentDetectorSettings, LatentMethod, LatentSettings
from ecgmon.model.methods.sizes import DeepNetwork, LstmNetwork, MlpNetwork

Draw = Callable[..., Samples]

DETECTORS: dict[str, LatentDetectorSettings] = {
    "one-class-svm": OneClassSvmSettings(),
    "isolation-forest": IsolationForestSettings(),
    "deep-svdd": DeepSvddSettings(),
}
AUTOENCODER = AutoencoderSettings(network=MlpNetwork(), epochs=5, batch=32)
DISTANCE = Reading()
every_detector = pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)


def fitted(detector: LatentDetectorSettings, learning: Learning, seed: int = 0) -> LatentMethod:
    method = LatentMethod(LatentSettings(autoencoder=AUTOENCODER, detector=detector))
    method.fit(learning, seed)
    return method


@every_detector
def test_odd_windows_score_higher(detector: LatentDetectorSettings, learning: Learning, draw: Draw) -> None:
    method: Method = fitted(detector, learning)
    odd = np.concatenate([-2 * draw(30, 3), 3 * draw(30, 4, wide=True)])
    for reading in (DISTANCE, Reading(augmentation=("crop",), draws=2)):
        found = auroc(method.score(odd, reading), method.score(draw(60, 2), reading))
        assert found is not None
        assert found > 0.9
    assert method.history is not None
    assert method.history.epochs == 5


@every_detector
def test_the_same_seed_gives_the_same_scores(
    detector: LatentDetectorSettings, learning: Learning, draw: Draw
) -> None:
    few = Learning(learning.train[:80], learning.validation[:20])
    x = draw(20, 5)
    first, again = (fitted(detector, few, 2**40).score(x, DISTANCE) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, fitted(detector, few, 1).score(x, DISTANCE))


@pytest.mark.parametrize("name", ["one-class-svm", "isolation-forest"])
def test_training_windows_are_embedded_in_0_to_1(name: str, learning: Learning, draw: Draw) -> None:
    embedded = fitted(DETECTORS[name], learning).embed(learning.train)
    assert embedded.min(axis=0) == pytest.approx(0, abs=1e-6)
    assert embedded.max(axis=0) == pytest.approx(1, abs=1e-6)
    assert fitted(DETECTORS[name], learning).embed(draw(50, 3, wide=True)).max() > 1  # nothing is cut off


def test_scaling_keeps_a_number_that_never_varied() -> None:
    z = np.array([[1.0, 5.0], [3.0, 5.0]])
    scaling = Scaling.of(z)
    assert scaling(z).tolist() == [[0, 0], [1, 0]]
    assert scaling(np.array([[5.0, 7.0]])).tolist() == [[2, 2]]
    assert scaling.parameters == 4


@every_detector
def test_scores_are_finite_whatever_the_window(
    detector: LatentDetectorSettings, learning: Learning, draw: Draw
) -> None:
    method = fitted(detector, learning)
    x = np.zeros((4, 187), np.float32)
    x[1], x[2], x[3, 90] = 8.0, -3e38, 3e38
    assert np.isfinite(method.score(x, Reading(augmentation=("contrast",)))).all()
    assert method.score(x[:0], DISTANCE).shape == (0,)
    assert method.restore(draw(3, 0)).shape == (3, 187)


def test_deep_svdd_draws_normal_windows_together_without_collapse(learning: Learning, draw: Draw) -> None:
    autoencoder = AutoencoderMethod(AUTOENCODER)
    autoencoder.fit(learning, 0)
    scaling = Scaling.of(autoencoder.embed(learning.train))
    before = {name: value.clone() for name, value in autoencoder.network.state_dict().items()}
    deep = DeepSvdd(DeepSvddSettings(), autoencoder.network, scaling, learning.train, 0)
    x = draw(60, 2)
    start = deep.distance(scaling(autoencoder.embed(x))).mean()
    end = deep.distance(deep.embed(x)).mean()
    assert 0.01 * start < end < 0.8 * start
    assert all(
        value.equal(before[name]) for name, value in autoencoder.network.state_dict().items()
    )  # the autoencoder still restores as it did


def test_deep_svdd_leaves_biases_and_batch_normalisation(learning: Learning) -> None:
    for network in (DeepNetwork(), LstmNetwork()):
        autoencoder = AutoencoderMethod(msgspec.structs.replace(AUTOENCODER, network=network, epochs=1))
        autoencoder.fit(learning, 0)
        scaling = Scaling.of(autoencoder.embed(learning.train))
        deep = DeepSvdd(DeepSvddSettings(), autoencoder.network, scaling, learning.train, 0)
        learned, was = deep.network.state_dict(), autoencoder.network.state_dict()
        changed = {name for name in was if not learned[name].equal(was[name])}
        assert changed
        assert all(name.startswith(("encoder", "mean")) and "weight" in name for name in changed)
        assert not any(was[name].ndim < 2 for name in changed)  # weights of batch normalisation are vectors


def test_deep_svdd_clips_the_gradient_of_what_learns_and_of_nothing_else(learning: Learning) -> None:
    autoencoder = AutoencoderMethod(msgspec.structs.replace(AUTOENCODER, epochs=1))
    autoencoder.fit(learning, 0)
    scaling = Scaling.of(autoencoder.embed(learning.train))
    deep = DeepSvdd(DeepSvddSettings(epochs=1), autoencoder.network, scaling, learning.train, 0)
    with_gradient = {name for name, p in deep.network.named_parameters() if p.grad is not None}
    assert with_gradient == {"encoder.0.weight", "encoder.2.weight", "mean.weight"}


def test_a_loss_that_is_no_number_is_one_line(learning: Learning) -> None:
    autoencoder = AutoencoderMethod(msgspec.structs.replace(AUTOENCODER, epochs=1))
    autoencoder.fit(learning, 0)
    tiny = Scaling(np.zeros(32), np.full(32, 1e-37))
    with pytest.raises(EcgmonError, match=r"deep-svdd: .* lower learning_rate"):
        DeepSvdd(DeepSvddSettings(), autoencoder.network, tiny, learning.train, 0)


def test_parameters_count_what_a_score_needs(learning: Learning) -> None:
    encoder = 187 * 500 + 500 + 500 * 100 + 100 + 100 * 32 + 32
    scaling = 2 * 32
    assert fitted(DeepSvddSettings(), learning).parameters == encoder + scaling + 32
    few = fitted(OneClassSvmSettings(nu=0.1), learning).parameters
    many = fitted(OneClassSvmSettings(nu=0.5), learning).parameters
    assert encoder + scaling < few < many
    assert fitted(IsolationForestSettings(trees=10), learning).parameters > encoder + scaling


def test_the_svm_learns_from_as_many_as_it_may(learning: Learning) -> None:
    # A support vector is 32 numbers and its weight; nu is the least share of them; beside them an offset.
    method = LatentMethod(
        LatentSettings(autoencoder=AUTOENCODER, detector=OneClassSvmSettings(nu=0.5), max_train=50)
    )
    method.fit(learning, 0)
    parameters = method.parameters
    base = fitted(DeepSvddSettings(epochs=1), learning).parameters - 32
    assert base + 25 * 33 + 1 <= parameters <= base + 50 * 33 + 1


@pytest.mark.parametrize("name", ["one-class-svm", "isolation-forest"])
def test_a_detector_is_the_same_on_the_latent_and_on_the_window(name: str) -> None:
    detector = {"type": name}
    latent = convert({"detector": detector}, LatentSettings, where="test")
    classical = convert({"detector": detector}, ClassicalSettings, where="test")
    assert latent.detector == classical.detector
    assert latent.max_train == classical.max_train


def test_without_scikit_learn_it_is_one_line_before_any_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DependencyError, match=r"pip install 'ecgmon\[compare\]'"):
        LatentMethod(LatentSettings())
    LatentMethod(LatentSettings(detector=DeepSvddSettings()))  # needs none


def test_settings_from_plain_data() -> None:
    tree = {"autoencoder": {"network": {"type": "mlp"}}, "detector": {"type": "isolation-forest", "trees": 7}}
    settings = convert(tree, LatentSettings, where="test")
    assert settings.detector == IsolationForestSettings(trees=7)
    assert settings.autoencoder.network == MlpNetwork()


def test_the_layout_decides_which_variations_are_scored(learning: Learning, draw: Draw) -> None:
    scored = []
    for layout in ("centred", "kachuee"):
        handed = Learning(learning.train[:80], learning.validation[:20], layout)
        scored.append(fitted(DeepSvddSettings(), handed).score(draw(10, 1), Reading(augmentation=("flip",))))
    assert not np.allclose(scored[0], scored[1])
