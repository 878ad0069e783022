"""The autoencoder on its device, fed in batches."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgmon.ecg.types import Samples
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.devices import Device, pick

LARGEST_BATCH: Final = 1024


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
                y, _ = self.model(
                    torch.from_numpy(x[part]).to(self.device),
                    torch.from_numpy(reference[part]).to(self.device),
                )
                restored[part] = y.cpu().numpy()
        return restored


def window_errors(restorer: Restorer, windows: Samples) -> NDArray[np.float64]:
    """Root mean square errors [n] of normalised windows [n, 187] restored without a reference."""
    restored = restorer(windows, np.zeros_like(windows))
    error: NDArray[np.float64] = np.sqrt(np.mean((windows - restored).astype(np.float64) ** 2, axis=1))
    return error
