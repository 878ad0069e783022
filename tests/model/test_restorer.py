"""The autoencoder at work: what is restored does not depend on the filling, nor memory on the batches."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import Architecture, Autoencoder, build
from ecgmon.model.bundle import load
from ecgmon.model.restorer import Restorer
from ecgmon.model.slots import LARGEST_BATCH, SIZES, TorchForward, sizes_to

CPU = torch.device("cpu")


def beats(n: int) -> Samples:
    return np.random.default_rng(0).standard_normal((n, WINDOW)).astype(np.float32)


def restored_by(model: Autoencoder, x: Samples) -> Samples:
    """As the net restores them when it gets just these."""
    with torch.inference_mode():
        y, _ = model.eval()(torch.from_numpy(x), torch.from_numpy(0.9 * x))
    return np.asarray(y.numpy())


@pytest.mark.parametrize("settings", [cls() for cls in get_args(Architecture)])
@pytest.mark.parametrize("n", [1, 5, 13, 16, 90, 200])
def test_filling_up_a_batch_changes_no_beat(settings: Architecture, n: int) -> None:
    torch.manual_seed(0)
    model = build(settings)
    x = beats(n)
    np.testing.assert_allclose(
        TorchForward(model, CPU)(x, 0.9 * x), restored_by(model, x), rtol=1e-5, atol=1e-6
    )


def test_more_beats_than_the_largest_batch_come_back_in_order() -> None:
    model = load("default").autoencoder()
    x = beats(2 * LARGEST_BATCH + 7)
    parts = [restored_by(model, x[at : at + LARGEST_BATCH]) for at in range(0, len(x), LARGEST_BATCH)]
    for restore in (Restorer(model, "cpu"), TorchForward(model, CPU)):
        np.testing.assert_allclose(restore(x, 0.9 * x), np.concatenate(parts), rtol=1e-5, atol=2e-6)


def test_no_beats_are_no_beats() -> None:
    model = load("default").autoencoder()
    for restore in (Restorer(model, "cpu"), TorchForward(model, CPU)):
        assert restore(beats(0), beats(0)).shape == (0, WINDOW)


def test_torch_meets_no_sizes_but_those_that_it_was_warmed_up_with() -> None:
    model = load("default").autoencoder()
    restore = TorchForward(model, CPU)
    met: set[int] = set()
    model.register_forward_pre_hook(lambda _, inputs: met.add(len(inputs[0])))
    for n in range(1, 101):
        restore(beats(n), beats(n))
    assert met == set(sizes_to(100)) == {size for size in SIZES if size <= 128}
    assert set(sizes_to(4096)) == set(SIZES)


def test_memory_does_not_depend_on_how_many_different_batches_there_were() -> None:
    """torch keeps kernels for each size that it meets: 130 MB here, were the CPU's batches left to it."""
    restorer = Restorer(load("default").autoencoder(), "cpu")
    restorer.warm_up(128)
    restorer(beats(128), beats(128))
    before = resident()
    for n in range(1, 129):
        restorer(beats(n), beats(n))
    assert resident() - before < 10.0


def resident() -> float:
    """This process's memory, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
