"""Slots by turns: every beat comes back in its place, whatever the slots do meanwhile."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import Architecture, ConvLstmSettings, ConvSettings, LstmSettings, build
from ecgmon.model.bundle import load
from ecgmon.model.forward import Forward
from ecgmon.model.graphs import GraphForward
from ecgmon.model.restorer import Restorer
from ecgmon.model.slots import LARGEST_BATCH, SIZES, Precision, Ring, TorchForward, size_for, sizes_to

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class LateSlot:
    """Works like a device: reads its rows and has a result no sooner than it is waited for."""

    def __init__(self) -> None:
        self.rows: Samples = np.full((LARGEST_BATCH, 2, WINDOW), np.nan, np.float32)
        self.result: Samples = np.full((LARGEST_BATCH, WINDOW), np.nan, np.float32)
        self.started: list[int] = []
        self._n: int | None = None

    def start(self, n: int) -> None:
        assert self._n is None, "started before the last result was waited for"
        self.started.append(n)
        self._n = n

    def wait(self) -> None:
        if self._n is not None:
            self.result[:] = np.nan
            self.result[: self._n] = self.rows[: self._n, 0] - 2 * self.rows[: self._n, 1]
        self._n = None


def beats(n: int) -> tuple[Samples, Samples]:
    x, reference = np.random.default_rng(n).standard_normal((2, n, WINDOW)).astype(np.float32)
    return x, reference


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize(
    "n", [0, 1, 100, LARGEST_BATCH, LARGEST_BATCH + 1, 3 * LARGEST_BATCH, 5 * LARGEST_BATCH + 9]
)
def test_beats_come_back_in_their_places(slots: int, n: int) -> None:
    ring = Ring([LateSlot() for _ in range(slots)])
    for _ in range(2):  # the second time slots hold what was there before
        x, reference = beats(n)
        np.testing.assert_array_equal(ring(x, reference), x - 2 * reference)


def test_slots_have_their_turns() -> None:
    slots = [LateSlot(), LateSlot()]
    Ring(slots)(*beats(3 * LARGEST_BATCH + 5))
    assert [slot.started for slot in slots] == [[LARGEST_BATCH] * 2, [LARGEST_BATCH, 5]]


def test_a_warm_up_meets_every_size_in_every_slot() -> None:
    slots = [LateSlot(), LateSlot()]
    Ring(slots).warm_up(100)
    assert [slot.started for slot in slots] == [list(sizes_to(100))] * 2
    assert sizes_to(100)[-1] == 128


def test_a_batch_is_filled_up_to_the_next_size() -> None:
    for n in range(1, LARGEST_BATCH + 1):
        size = size_for(n)
        assert size in SIZES
        assert size >= n
        assert not any(n <= other < size for other in SIZES)


def test_what_was_in_a_slot_before_changes_nothing() -> None:
    model = load("default").autoencoder()
    used, fresh = TorchForward(model, CPU), TorchForward(model, CPU)
    x, reference = beats(90)
    used(np.full_like(x, np.nan), reference)
    np.testing.assert_array_equal(used(x[:70], reference[:70]), fresh(x[:70], reference[:70]))


@pytest.mark.parametrize(("precision", "most"), [("float16", 3e-3), ("bfloat16", 3e-2)])
def test_fewer_bits_are_within_their_error(precision: Precision, most: float) -> None:
    model = load("default").autoencoder()
    x, reference = beats(300)
    error = np.abs(Restorer(model, "cpu", precision)(x, reference) - Forward(model)(x, reference)).max()
    assert 1e-5 < error < most


def test_what_torch_may_shorten_elsewhere_is_as_it_was() -> None:
    before = torch.backends.cudnn.allow_tf32
    TorchForward(load("default").autoencoder(), CPU)(*beats(1))
    assert torch.backends.cudnn.allow_tf32 == before


@needs_cuda
@pytest.mark.parametrize("settings", [ConvSettings(), LstmSettings(), ConvLstmSettings()], ids=str)
def test_graphs_restore_what_the_cpu_restores(
    settings: Architecture, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    model = build(settings)
    expected = Forward(model)
    forward = GraphForward(model, torch.device("cuda"))
    with caplog.at_level(logging.WARNING):
        for n in (1, 5, 128, 128, 2 * LARGEST_BATCH + 7):
            x, reference = beats(n)
            np.testing.assert_allclose(forward(x, reference), expected(x, reference), rtol=1e-4, atol=1e-5)
    assert not caplog.records, "a graph was not captured"


@needs_cuda
def test_without_graphs_the_results_are_the_same() -> None:
    model, x = load("default").autoencoder(), beats(200)
    captured, plain = (GraphForward(model, torch.device("cuda")) for _ in range(2))
    for slot in plain.slots:
        slot._streams.captures = False  # type: ignore[attr-defined] # a GraphSlot
    np.testing.assert_allclose(plain(*x), captured(*x), rtol=1e-5, atol=1e-6)
