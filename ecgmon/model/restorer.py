"""The autoencoder on its device, fed in batches."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.devices import Device, pick
from ecgmon.model.forward import Forward

SIZES: Final = (1, 2, 4, 8, 15, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Batches that torch is given; others are filled up with zeros: for every new size it chooses or compiles
kernels anew and keeps them, and each time some milliseconds go by."""

LARGEST_BATCH: Final = SIZES[-1]


class Restorer:
    """The autoencoder on its device: [n, 187] beats and [n, 187] references to [n, 187] restored beats.

    On a CPU with :class:`ecgmon.model.forward.Forward`, on a GPU with torch. The weights are those of now:
    ``model`` may be trained on, the restorer does not notice.
    """

    def __init__(self, model: Autoencoder, device: Device = "auto") -> None:
        self.device = pick(device)
        self.sees_reference = model.context is not None
        self._run: Callable[[Samples, Samples], Samples]
        if self.device.type == "cpu":
            # What torch still does here is so small that more threads mostly wait for each other, for seconds
            # where other programs want the cores.
            torch.set_num_threads(1)
            self._run = Forward(model)
        else:
            self._run = TorchForward(model, self.device)

    def __call__(self, x: Samples, reference: Samples) -> Samples:
        return self._run(x, reference)

    def warm_up(self, largest: int) -> None:
        """Meet every size for up to ``largest`` beats now: later it would take its time while beats wait."""
        sizes = SIZES[:1] if self.device.type == "cpu" else sizes_to(largest)
        for size in sizes:
            zeros = np.zeros((size, WINDOW), np.float32)
            self(zeros, zeros)


class TorchForward:
    """The same by torch's own modules, on any device: what a GPU needs, and what a CPU's is held to."""

    def __init__(self, model: Autoencoder, device: torch.device) -> None:
        self._device = device
        self._model = model.to(device).eval()

    def __call__(self, x: Samples, reference: Samples) -> Samples:
        restored = np.empty_like(x)
        with torch.inference_mode():
            for first in range(0, len(x), LARGEST_BATCH):
                part = slice(first, first + LARGEST_BATCH)
                n = len(x[part])
                y, _ = self._model(self._filled(x[part]), self._filled(reference[part]))
                restored[part] = y[:n].cpu().numpy()
        return restored

    def _filled(self, rows: Samples) -> torch.Tensor:
        """[n, 187] on the device, with zeros behind up to the next of :data:`SIZES`."""
        n = len(rows)
        size = SIZES[bisect_left(SIZES, n)]
        if size == n:
            return torch.from_numpy(rows).to(self._device)
        filled = np.zeros((size, rows.shape[1]), np.float32)
        filled[:n] = rows
        return torch.from_numpy(filled).to(self._device)


def sizes_to(largest: int) -> tuple[int, ...]:
    """Those of :data:`SIZES` that batches of up to ``largest`` beats are filled up to."""
    return SIZES[: bisect_left(SIZES, min(largest, LARGEST_BATCH)) + 1]


def window_errors(restorer: Restorer, windows: Samples) -> NDArray[np.float64]:
    """Root mean square errors [n] of normalised windows [n, 187] restored without a reference."""
    restored = restorer(windows, np.zeros_like(windows))
    error: NDArray[np.float64] = np.sqrt(np.mean((windows - restored).astype(np.float64) ** 2, axis=1))
    return error
