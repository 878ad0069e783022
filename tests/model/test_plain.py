"""Plain torch gives what ours gives, to the last digits of batched sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecgmon.ecg.types import WINDOW
from ecgmon.model.autoencoders import Architecture, ConvLstmSettings, ConvSettings, LstmSettings, build
from ecgmon.model.plain import PlainRestorer
from ecgmon.model.restorer import Restorer


@pytest.mark.parametrize("settings", [ConvSettings(), LstmSettings(), ConvLstmSettings()])
@pytest.mark.parametrize("n", [1, 7, 130])
def test_both_restore_alike(settings: Architecture, n: int) -> None:
    torch.manual_seed(0)
    model = build(settings)
    x, reference = np.random.default_rng(0).standard_normal((2, n, WINDOW)).astype(np.float32)
    ours, plain = Restorer(model, "cpu")(x, reference), PlainRestorer(model, "cpu")(x, reference)
    assert ours == pytest.approx(plain, rel=1e-4, abs=1e-5)


def test_alone_is_with_a_reference_of_zeros() -> None:
    plain = PlainRestorer(build(ConvSettings()), "cpu")
    x = np.random.default_rng(0).standard_normal((3, WINDOW)).astype(np.float32)
    assert np.array_equal(plain.alone(x), plain(x, np.zeros_like(x)))
