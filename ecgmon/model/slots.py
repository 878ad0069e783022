"""torch's own forward pass, fed by turns through slots: what a GPU needs, and what the CPU's is held to.

Batches are filled up to one of a few sizes: for every new size torch chooses or compiles kernels anew and
keeps them, and each time some milliseconds go by.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import Autoencoder

SIZES: Final = (1, 2, 4, 8, 15, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Beats that torch is given at once."""

LARGEST_BATCH: Final = SIZES[-1]

Precision = Literal["float32", "float16", "bfloat16"]
"""Of products; sums, and what is added to the reference, stay float32."""


class Slot(Protocol):
    """A place for up to :data:`LARGEST_BATCH` beats on their way through the net.

    ``rows`` [1024, 2, 187] are windows and references, ``result`` [1024, 187] what was restored, both in the
    host's memory. After :meth:`start` neither may be touched before :meth:`wait`.
    """

    rows: Samples
    result: Samples

    def start(self, n: int) -> None:
        """Begin to restore the first ``n`` rows."""

    def wait(self) -> None:
        """Until the result is there; at once where nothing was started."""


class Ring:
    """Slots by turns: [n, 187] beats and [n, 187] references to [n, 187] restored beats.

    While one slot's beats are under way the next one is filled. What fills up a batch is whatever was in its
    slot before: beats do not see each other.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = slots

    def __call__(self, x: Samples, reference: Samples) -> Samples:
        restored = np.empty_like(x)
        under_way: dict[int, slice] = {}
        for turn, first in enumerate(range(0, len(x), LARGEST_BATCH)):
            at, part = turn % len(self.slots), slice(first, min(first + LARGEST_BATCH, len(x)))
            self._collect(at, under_way, restored)
            slot, n = self.slots[at], part.stop - first
            slot.rows[:n, 0], slot.rows[:n, 1] = x[part], reference[part]
            slot.start(n)
            under_way[at] = part
        for at in list(under_way):
            self._collect(at, under_way, restored)
        return restored

    def warm_up(self, largest: int) -> None:
        """Meet every size for up to ``largest`` beats in every slot now."""
        for slot in self.slots:
            for size in sizes_to(largest):
                slot.start(size)
                slot.wait()

    def _collect(self, at: int, under_way: dict[int, slice], restored: Samples) -> None:
        part = under_way.pop(at, None)
        if part is not None:
            self.slots[at].wait()
            restored[part] = self.slots[at].result[: part.stop - part.start]


class EagerSlot:
    """Restores at once, layer by layer, on any device."""

    def __init__(self, model: Autoencoder, device: torch.device, precision: Precision = "float32") -> None:
        self.rows: Samples = np.zeros((LARGEST_BATCH, 2, WINDOW), np.float32)
        self.result: Samples = np.zeros((LARGEST_BATCH, WINDOW), np.float32)
        self._model, self._device, self._precision = model.to(device).eval(), device, precision

    def start(self, n: int) -> None:
        rows = torch.from_numpy(self.rows[: size_for(n)]).to(self._device)
        self.result[:n] = computed(self._model, rows, self._precision)[:n].cpu().numpy()

    def wait(self) -> None:
        pass


class TorchForward(Ring):
    """One slot, restored by torch's own modules."""

    def __init__(self, model: Autoencoder, device: torch.device, precision: Precision = "float32") -> None:
        super().__init__([EagerSlot(model, device, precision)])


def computed(model: Autoencoder, rows: Tensor, precision: Precision) -> Tensor:
    """[n, 2, 187] windows and references to [n, 187] restored ones, float32.

    In float32 without TF32, which torch takes for convolutions where nobody says otherwise: its ten bits are
    float16's. The reference is taken off and added in float32 in any case.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.inference_mode(), _lowered(rows.device, precision):
            y, _ = model(rows[:, 0], rows[:, 1])
    finally:
        torch.backends.cudnn.allow_tf32 = before
    restored: Tensor = y.float()
    return restored


def _lowered(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Without autocast's cache of weights: what one capture of a graph cached another would read."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision), cache_enabled=False)


def size_for(n: int) -> int:
    """The one of :data:`SIZES` that ``n`` beats are filled up to; ``n`` is at most the largest."""
    return SIZES[bisect_left(SIZES, n)]


def sizes_to(largest: int) -> tuple[int, ...]:
    """Those of :data:`SIZES` that batches of up to ``largest`` beats are filled up to."""
    return SIZES[: bisect_left(SIZES, min(largest, LARGEST_BATCH)) + 1]
