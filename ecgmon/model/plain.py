"""An autoencoder as torch runs it, line by line and nothing around it: what ours is measured against."""

from __future__ import annotations

import numpy as np
import torch

from ecgmon.ecg.types import Samples
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.devices import Device, pick


class PlainRestorer:
    """The counterpart of :class:`ecgmon.model.restorer.Restorer`: [n, 187] beats and [n, 187] references to
    [n, 187] restored beats, by the module's own ``forward`` and in the batch that it is given.

    On a CPU it too sets torch to one thread for the whole process.
    """

    def __init__(self, model: Autoencoder, device: Device = "auto") -> None:
        self.device = pick(device)
        if self.device.type == "cpu":
            torch.set_num_threads(1)
        self.model = model.to(self.device).eval()

    def __call__(self, x: Samples, reference: Samples) -> Samples:
        with torch.inference_mode():
            y, _ = self.model(
                torch.from_numpy(x).to(self.device), torch.from_numpy(reference).to(self.device)
            )
        restored: Samples = y.cpu().numpy()
        return restored

    def alone(self, x: Samples) -> Samples:
        """Restore beats [n, 187] of a patient of whom nothing is known."""
        return self(x, np.zeros_like(x))
