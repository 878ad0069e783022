"""The autoencoder on its device, fed in batches."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.devices import Device, pick

SIZES: Final = (1, 2, 4, 8, 15, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Batches that the autoencoder is given; others are filled up with zeros. For every new size torch compiles
kernels anew and keeps them: 1 MB each for the shipped net, 130 MB for the sizes from 1 to 128, and each time
some milliseconds. Up to 15 and from 16 on sums are taken in two orders; no beat changes sides."""

LARGEST_BATCH: Final = SIZES[-1]


class Restorer:
    """The autoencoder on its device: [n, 187] beats and [n, 187] references to [n, 187] restored beats.

    On a CPU it sets torch to one thread for the whole process: these nets are so small that more threads
    mostly wait for each other, for seconds where other programs want the cores.
    """

    def __init__(self, model: Autoencoder, device: Device = "auto") -> None:
        self.device = pick(device)
        if self.device.type == "cpu":
            torch.set_num_threads(1)
        self.model = model.to(self.device).eval()
        self.sees_reference = model.context is not None

    def __call__(self, x: Samples, reference: Samples) -> Samples:
        restored = np.empty_like(x)
        with torch.inference_mode():
            for first in range(0, len(x), LARGEST_BATCH):
                part = slice(first, first + LARGEST_BATCH)
                n = len(x[part])
                y, _ = self.model(self._filled(x[part]), self._filled(reference[part]))
                restored[part] = y[:n].cpu().numpy()
        return restored

    def warm_up(self, largest: int) -> None:
        """Meet every size for up to ``largest`` beats now: later it would take its time while beats wait."""
        for size in SIZES[: bisect_left(SIZES, min(largest, LARGEST_BATCH)) + 1]:
            zeros = np.zeros((size, WINDOW), np.float32)
            self(zeros, zeros)

    def _filled(self, rows: Samples) -> torch.Tensor:
        """[n, 187] on the device, with zeros behind up to the next of :data:`SIZES`."""
        n = len(rows)
        size = SIZES[bisect_left(SIZES, n)]
        if size == n:
            return torch.from_numpy(rows).to(self.device)
        filled = np.zeros((size, rows.shape[1]), np.float32)
        filled[:n] = rows
        return torch.from_numpy(filled).to(self.device)


def window_errors(restorer: Restorer, windows: Samples) -> NDArray[np.float64]:
    """Root mean square errors [n] of normalised windows [n, 187] restored without a reference."""
    restored = restorer(windows, np.zeros_like(windows))
    error: NDArray[np.float64] = np.sqrt(np.mean((windows - restored).astype(np.float64) ** 2, axis=1))
    return error
