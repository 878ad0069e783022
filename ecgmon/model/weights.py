"""Weights of a network as arrays, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgmon.errors import BundleError


def weights(model: nn.Module) -> dict[str, NDArray[Any]]:
    """A copy of every parameter and buffer, by name."""
    return {name: value.detach().cpu().numpy().copy() for name, value in model.state_dict().items()}


def load_weights(model: nn.Module, arrays: dict[str, NDArray[Any]], *, where: str) -> None:
    """Put ``arrays`` into ``model``; names, shapes and types must be the model's own."""
    expected = model.state_dict()
    if arrays.keys() != expected.keys():
        odd = min(arrays.keys() ^ expected.keys())
        raise BundleError(f"{where}: weights do not fit the architecture it names ('{odd}')")
    for name, value in expected.items():
        array = arrays[name]
        if (
            tuple(value.shape) != array.shape
            or torch.from_numpy(np.empty(0, array.dtype)).dtype != value.dtype
        ):
            raise BundleError(f"{where}: '{name}' is {array.dtype} {array.shape}, not {tuple(value.shape)}")
    model.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
