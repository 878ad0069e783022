"""The autoencoder on its device, fed in batches."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.devices import Device, pick
from ecgmon.model.forward import Forward
from ecgmon.model.graphs import GraphForward
from ecgmon.model.slots import Precision, Ring, TorchForward


class Restorer:
    """The autoencoder on its device: [n, 187] beats and [n, 187] references to [n, 187] restored beats.

    On a CPU with :class:`ecgmon.model.forward.Forward`, on a GPU with
    :class:`ecgmon.model.graphs.GraphForward`. The weights are those of now: ``model`` may be trained on, the
    restorer does not notice. ``precision`` is that of its products.
    """

    def __init__(self, model: Autoencoder, device: Device = "auto", precision: Precision = "float32") -> None:
        self.device = pick(device)
        self.sees_reference = model.context is not None
        self._run: Callable[[Samples, Samples], Samples]
        if self.device.type == "cuda":
            self._run = GraphForward(model, self.device, precision)
            return
        # What torch still does here is so small that more threads mostly wait for each other, for seconds
        # where other programs want the cores.
        torch.set_num_threads(1)
        if precision == "float32":
            self._run = Forward(model)
        else:
            self._run = TorchForward(deepcopy(model), self.device, precision)

    def __call__(self, x: Samples, reference: Samples) -> Samples:
        return self._run(x, reference)

    def warm_up(self, largest: int) -> None:
        """Meet every size for up to ``largest`` beats now: later it would take its time while beats wait."""
        if isinstance(self._run, Ring):
            self._run.warm_up(largest)
        else:
            zeros = np.zeros((1, WINDOW), np.float32)
            self(zeros, zeros)


def window_errors(restorer: Restorer, windows: Samples) -> NDArray[np.float64]:
    """Root mean square errors [n] of normalised windows [n, 187] restored without a reference."""
    restored = restorer(windows, np.zeros_like(windows))
    error: NDArray[np.float64] = np.sqrt(np.mean((windows - restored).astype(np.float64) ** 2, axis=1))
    return error
