from __future__ import annotations

import numpy as np
import pytest
import torch

from ecgmon.config import convert
from ecgmon.ecg.types import WINDOW
from ecgmon.errors import ConfigError
from ecgmon.model.methods.autoencoder import AutoencoderSettings
from ecgmon.model.methods.networks import Network, build
from ecgmon.model.methods.sizes import (
    Conv1dNetwork,
    ConvLstmNetwork,
    DeepConvNetwork,
    DeepNetwork,
    LstmNetwork,
    MlpNetwork,
    NetworkSettings,
)

ALL: dict[str, tuple[NetworkSettings, int]] = {
    "mlp": (MlpNetwork(), 32),
    "mlp-deeper": (MlpNetwork(sizes=(300, 200, 100, 50), latent=3), 3),
    "lstm": (LstmNetwork(), 40),
    "lstm-single-samples": (LstmNetwork(patch=1, hidden=4), 8),
    "lstm-two-layers": (LstmNetwork(layers=2), 80),
    "conv1d": (Conv1dNetwork(), 32),
    "conv1d-four": (Conv1dNetwork(channels=(2, 4, 8, 16)), 16),
    "conv1d-three": (Conv1dNetwork(channels=(2, 4, 8)), 8),
    "conv1d-two": (Conv1dNetwork(channels=(2, 4)), 4),
    "conv-lstm": (ConvLstmNetwork(), 20),
    "deep": (DeepNetwork(), 16),
    "deep-conv": (DeepConvNetwork(), 16),
    "deep-conv-one": (DeepConvNetwork(channels=(4,)), 16),
}
every_network = pytest.mark.parametrize(("settings", "latent"), ALL.values(), ids=ALL)


def fresh(settings: NetworkSettings, *, gaussian: bool = False, seed: int = 0) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(settings, gaussian=gaussian)


@every_network
@pytest.mark.parametrize("gaussian", [False, True], ids=["plain", "gaussian"])
def test_shapes(settings: NetworkSettings, latent: int, gaussian: bool) -> None:
    network = fresh(settings, gaussian=gaussian)
    x = torch.randn(5, WINDOW)
    restored, kl = network.forward_training(x)
    assert restored.shape == x.shape
    assert kl.shape == (5,)
    assert bool((kl > 0).all()) == gaussian
    with torch.inference_mode():
        restored, embedded = network.eval()(x[:1])
    assert restored.shape == (1, WINDOW)
    assert embedded.shape == (1, latent)
    assert network.latent == latent


@pytest.mark.parametrize("settings", [settings for settings, _ in ALL.values()], ids=ALL)
def test_a_window_is_restored_by_itself_whatever_the_batch(settings: NetworkSettings) -> None:
    network = fresh(settings).eval()
    x = torch.randn(6, WINDOW)
    with torch.inference_mode():
        together = network(x)[0]
        alone = torch.cat([network(x[i : i + 1])[0] for i in range(6)])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-4)


@every_network
def test_all_of_the_latent_vector_reaches_the_window(settings: NetworkSettings, latent: int) -> None:
    network = fresh(settings).eval()
    code = torch.zeros(1, latent, requires_grad=True)
    network.decoder(code).square().sum().backward()
    assert code.grad is not None
    assert bool((code.grad != 0).all())


def test_parameters_are_those_of_the_sources() -> None:
    weights = [187 * 500, 500 * 100, 100 * 32, 32 * 100, 100 * 500, 500 * 187]
    biases = [500, 100, 32, 100, 500, 187]
    assert fresh(MlpNetwork()).parameter_count() == sum(weights) + sum(biases)
    # 2-4-8-16-32 with filters of 8, 11, 11, 6, 5 and back with 15, 12, 12, 12, 8
    there = (1 * 2 * 8 + 2) + (2 * 4 * 11 + 4) + (4 * 8 * 11 + 8) + (8 * 16 * 6 + 16) + (16 * 32 * 5 + 32)
    back = (32 * 16 * 15 + 16) + (16 * 8 * 12 + 8) + (8 * 4 * 12 + 4) + (4 * 2 * 12 + 2) + (2 * 8 + 1)
    assert fresh(Conv1dNetwork()).parameter_count() == there + back
    assert fresh(Conv1dNetwork()).encoder_parameter_count() == there
    # Two LSTMs of 20; the second one has no input, the output is one number.
    lstm = 4 * 20 * (1 + 20 + 2) + 4 * 20 * (20 + 2) + 21
    assert fresh(LstmNetwork(patch=1)).parameter_count() == lstm


def test_the_lstm_writes_from_the_end() -> None:
    network = fresh(LstmNetwork(patch=1)).eval()
    code = torch.from_numpy(np.linspace(-1, 1, 40, dtype=np.float32)).unsqueeze(0).requires_grad_()
    drawn = network.decoder(code)[0]
    (last,) = torch.autograd.grad(drawn[-1], code, retain_graph=True)
    (first,) = torch.autograd.grad(drawn[0], code)
    assert float(last.norm()) > 10 * float(first.norm())


def test_an_lstm_without_feedback_can_do_what_one_with_linear_feedback_does() -> None:
    """The claim of StateWriter, step by step from the second on."""
    torch.manual_seed(0)
    cell, draw = torch.nn.LSTMCell(1, 6), torch.nn.Linear(6, 1)
    free = torch.nn.LSTMCell(1, 6)
    with torch.no_grad():
        free.weight_hh.copy_(cell.weight_hh + cell.weight_ih @ draw.weight)
        free.bias_hh.copy_(cell.bias_hh + cell.weight_ih @ draw.bias)
        free.bias_ih.copy_(cell.bias_ih)
        h, c = torch.randn(2, 3, 6)
        fed, own = (h, c), (h, c)
        for _ in range(20):
            fed = cell(draw(fed[0]), fed)
            own = free(torch.zeros(3, 1), own)
            torch.testing.assert_close(own[0], fed[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"type": "lstm", "patch": 10}, "does not divide 187"),
        ({"type": "conv-lstm", "kernel": 4}, "is even"),
        ({"type": "deep-conv", "kernel": 8}, "is even"),
        ({"type": "conv1d", "channels": [2]}, "channels"),
        ({"type": "conv1d", "channels": [2, 4, 8, 16, 32, 64]}, "channels"),
        ({"type": "mlp", "size": [3]}, "did you mean 'sizes'"),
        ({"type": "transformer"}, "transformer"),
    ],
)
def test_sizes_that_cannot_be_are_refused(network: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        convert({"network": network}, AutoencoderSettings, where="test")
