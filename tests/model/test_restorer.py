"""The autoencoder at work: what is restored does not depend on the filling, nor memory on the batches."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import Architecture, build
from ecgmon.model.bundle import load
from ecgmon.model.restorer import LARGEST_BATCH, SIZES, Restorer


def beats(n: int) -> Samples:
    return np.random.default_rng(0).standard_normal((n, WINDOW)).astype(np.float32)


def restored_by(restorer: Restorer, x: Samples) -> Samples:
    """As the net restores them when it gets just these."""
    with torch.inference_mode():
        y, _ = restorer.model(torch.from_numpy(x), torch.from_numpy(0.9 * x))
    return np.asarray(y.numpy())


@pytest.mark.parametrize("settings", [cls() for cls in get_args(Architecture)])
@pytest.mark.parametrize("n", [1, 5, 13, 16, 90, 200])
def test_filling_up_a_batch_changes_no_beat(settings: Architecture, n: int) -> None:
    torch.manual_seed(0)
    restorer = Restorer(build(settings), "cpu")
    x = beats(n)
    np.testing.assert_allclose(restorer(x, 0.9 * x), restored_by(restorer, x), rtol=1e-5, atol=1e-6)


def test_more_beats_than_the_largest_batch_come_back_in_order() -> None:
    restorer = Restorer(load("default").autoencoder(), "cpu")
    x = beats(2 * LARGEST_BATCH + 7)
    parts = [restored_by(restorer, x[at : at + LARGEST_BATCH]) for at in range(0, len(x), LARGEST_BATCH)]
    np.testing.assert_allclose(restorer(x, 0.9 * x), np.concatenate(parts), rtol=1e-5, atol=1e-6)


def test_no_beats_are_no_beats() -> None:
    restorer = Restorer(load("default").autoencoder(), "cpu")
    assert restorer(beats(0), beats(0)).shape == (0, WINDOW)


def test_warm_up_meets_every_size_that_batches_up_to_the_largest_will_have() -> None:
    restorer = Restorer(load("default").autoencoder(), "cpu")
    met: set[int] = set()
    restorer.model.register_forward_pre_hook(lambda _, inputs: met.add(len(inputs[0])))
    restorer.warm_up(100)
    warm = set(met)
    for n in range(1, 101):
        restorer(beats(n), beats(n))
    assert met == warm == {size for size in SIZES if size <= 128}
    restorer.warm_up(4096)
    assert met == set(SIZES)


def test_memory_does_not_depend_on_how_many_different_batches_there_were() -> None:
    """torch keeps compiled kernels for each size that it meets: 130 MB here, were batches not filled up."""
    restorer = Restorer(load("default").autoencoder(), "cpu")
    met: set[int] = set()
    restorer.model.register_forward_pre_hook(lambda _, inputs: met.add(len(inputs[0])))
    for n in (size for size in SIZES if size <= 128):
        restorer(beats(n), beats(n))
    before = resident()
    for n in range(1, 129):
        restorer(beats(n), beats(n))
    assert met < set(SIZES)
    assert resident() - before < 10.0


def resident() -> float:
    """This process's memory, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
