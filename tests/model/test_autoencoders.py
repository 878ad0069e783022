from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

from ecgmon import config
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.errors import BundleError, ConfigError
from ecgmon.model.autoencoders import (
    Architecture,
    Autoencoder,
    ConvLstmSettings,
    ConvSettings,
    LstmSettings,
    build,
)
from ecgmon.model.weights import load_weights, weights

ALL: list[Architecture] = [ConvSettings(), LstmSettings(), ConvLstmSettings()]
IDS = ["conv", "lstm", "conv-lstm"]


def fresh(settings: Architecture, seed: int = 0) -> Autoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(settings)


@pytest.mark.parametrize("settings", ALL, ids=IDS)
@pytest.mark.parametrize("n", [1, 5])
def test_reconstruction_has_the_shape_of_the_window(settings: Architecture, n: int) -> None:
    reconstruction, latent = fresh(settings)(torch.zeros(n, WINDOW))
    assert reconstruction.shape == (n, WINDOW)
    assert latent.shape == (n, settings.latent)


@pytest.mark.parametrize("settings", ALL, ids=IDS)
def test_a_few_beats_can_be_learned_by_heart(
    settings: Architecture, make_windows: Callable[..., Samples]
) -> None:
    narrow, wide = make_windows(8), make_windows(8, seed=1, wide=True)
    x = torch.from_numpy(np.concatenate([narrow, wide, -0.6 * narrow]))
    model = fresh(settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(250):
        optimizer.zero_grad()
        loss = functional.mse_loss(model(x)[0], x)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    average = functional.mse_loss(x.mean(dim=0).expand_as(x), x)
    assert float(loss.detach()) < 0.05 * float(average)


@pytest.mark.parametrize("settings", ALL, ids=IDS)
def test_each_window_is_restored_by_itself_whatever_the_batch(
    settings: Architecture, make_windows: Callable[..., Samples]
) -> None:
    x = torch.from_numpy(make_windows(9))
    model = fresh(settings).eval()
    with torch.inference_mode():
        together = model(x)[0]
        alone = torch.cat([model(x[i : i + 1])[0] for i in range(9)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", ALL, ids=IDS)
def test_reference_changes_the_reconstruction(
    settings: Architecture, make_windows: Callable[..., Samples]
) -> None:
    x = torch.from_numpy(make_windows(2))
    model = fresh(settings).eval()
    with torch.inference_mode():
        assert not torch.equal(model(x, x)[0], model(x)[0])


def test_without_context_the_reference_is_not_looked_at(make_windows: Callable[..., Samples]) -> None:
    x = torch.from_numpy(make_windows(2))
    model = fresh(ConvSettings(context=0)).eval()
    with torch.inference_mode():
        assert torch.equal(model(x, x)[0], model(x)[0])


@pytest.mark.parametrize(
    "settings",
    [ConvSettings(kl_weight=0.1), LstmSettings(kl_weight=0.1), ConvLstmSettings(kl_weight=0.1)],
    ids=IDS,
)
def test_kl_term_is_positive_and_scoring_draws_nothing(
    settings: Architecture, make_windows: Callable[..., Samples]
) -> None:
    x = torch.from_numpy(make_windows(4))
    model = fresh(settings)
    first, kl = model.forward_training(x, torch.Generator().manual_seed(1))
    again, _ = model.forward_training(x, torch.Generator().manual_seed(1))
    other, _ = model.forward_training(x, torch.Generator().manual_seed(2))
    assert (kl > 0).all()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(model(x)[0], model(x)[0])


def test_dropout_works_in_training_only(make_windows: Callable[..., Samples]) -> None:
    x = torch.from_numpy(make_windows(2))
    model = fresh(ConvSettings(dropout=0.5))
    model.train()
    assert not torch.equal(model(x)[0], model(x)[0])
    model.eval()
    assert torch.equal(model(x)[0], model(x)[0])


@pytest.mark.parametrize("settings", ALL, ids=IDS)
def test_weights_travel_as_arrays(settings: Architecture) -> None:
    a, b = fresh(settings, 1), fresh(settings, 2)
    x = torch.linspace(-1, 1, WINDOW).repeat(2, 1)
    load_weights(b, weights(a), where="test")
    assert torch.equal(a(x)[0], b(x)[0])


def test_weights_of_another_architecture_are_refused() -> None:
    with pytest.raises(BundleError, match="do not fit the architecture"):
        load_weights(fresh(ConvSettings()), weights(fresh(LstmSettings())), where="test")
    with pytest.raises(BundleError, match=r"'decoder.0.weight' is float32 \(768, 29\), not \(768, 28\)"):
        load_weights(fresh(ConvSettings(latent=4)), weights(fresh(ConvSettings(latent=5))), where="test")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"type": "conv", "kernel": 8}, "kernel 8 is even"),
        ({"type": "lstm", "patch": 7}, "patch 7 does not divide 192"),
        ({"type": "conv", "channels": []}, "length"),
        ({"type": "transformer"}, "transformer"),
        ({"type": "lstm", "latent": 0}, ">= 1"),
        ({"type": "conv", "hidden": 3}, "unknown key 'hidden'"),
    ],
)
def test_architectures_that_make_no_sense_are_refused(tree: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.convert(tree, Architecture, where="train.yaml")  # type: ignore[arg-type]
