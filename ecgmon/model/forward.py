"""An autoencoder's forward pass on a CPU: what torch's modules compute, several times as fast.

Nothing here depends on how many beats come together: a beat that is restored alone is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from torch import nn

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.autoencoders import Autoencoder
from ecgmon.model.kernels import lay
from ecgmon.model.layers import LEFT, PADDED, Patches, Reader, Transpose, Writer
from ecgmon.model.recurrent import Reading, Writing
from ecgmon.model.sliding import NONE, Layer, Margin, Order, Sliding, chained, down, linear, up

TOGETHER: Final = 16
"""Beats that go through the layers at a time: what lies between two layers stays in the cache, and is small
enough to be allocated without asking the system for pages (with 32 an LSTM loses a third of its speed)."""

Shape = tuple[int, int]
"""Steps and channels of what lies between two layers."""


class Forward:
    """``model`` as it is now: [n, 187] beats and [n, 187] references to [n, 187] restored beats."""

    def __init__(self, model: Autoencoder) -> None:
        known = model.context is not None
        self._encoder = _layers([*_each(model.encoder), model.mean], (PADDED, 1 + known))
        self._context = None if model.context is None else _layers(_each(model.context), (PADDED, 1))
        self._decoder = _layers(_each(model.decoder), (1, model.mean.out_features))

    def __call__(self, x: Samples, reference: Samples) -> Samples:
        if x.shape != reference.shape or x.shape[1:] != (WINDOW,):  # compiled code would read on
            raise ValueError(f"beats of shape {x.shape} and references of shape {reference.shape}")
        restored = np.empty_like(x)
        for first in range(0, len(x), TOGETHER):
            part = slice(first, first + TOGETHER)
            restored[part] = self._restored(x[part], reference[part])
        return restored

    def _restored(self, x: Samples, reference: Samples) -> Samples:
        if self._context is None:
            return _cut(_run(self._decoder, _run(self._encoder, _laid((x,), self._encoder))))
        latent = _run(self._encoder, _laid((x - reference, reference), self._encoder))
        context = _run(self._context, _laid((reference,), self._context))
        return reference + _cut(_run(self._decoder, np.concatenate((latent, context), axis=1)))


def _laid(channels: Sequence[Samples], layers: Sequence[Layer]) -> Samples:
    """Windows [n, 187] as the channels that ``layers`` begin with, padded to 192 steps, [n, 192 * channels]
    and its margin."""
    before, after = layers[0].margin
    y = np.zeros((len(channels[0]), before + PADDED * len(channels) + after), np.float32)
    for i, x in enumerate(channels):
        lay(x, y, i, len(channels), before)
    return y


def _cut(drawn: Samples) -> Samples:
    return drawn[:, LEFT : LEFT + WINDOW]


def _run(layers: Sequence[Layer], x: Samples) -> Samples:
    margins: list[Margin] = [*(layer.margin for layer in layers[1:]), NONE]
    for layer, margin in zip(layers, margins, strict=True):
        x = layer(x, margin)
    return x


def _each(module: nn.Module) -> list[nn.Module]:
    return list(module.children())


def _layers(modules: Sequence[nn.Module], shape: Shape) -> list[Layer]:
    """The layers that compute what ``modules`` do with features of ``shape``."""
    layers: list[Layer | Sliding] = []
    order: Order | None = None
    for module, behind in pairwise((*modules, nn.Identity())):
        layer = _layer(module, shape[0], order, gelu=isinstance(behind, nn.GELU))
        if layer is not None:
            layers.append(layer)
        order = _order(module, shape)
        shape = _shape(module, shape)
        if isinstance(module, nn.Unflatten):
            layers[-1] = _ordered(layers[-1], _turned(*shape[::-1]))
    return chained(layers)


def _layer(module: nn.Module, steps: int, order: Order | None, *, gelu: bool) -> Layer | Sliding | None:
    """None where nothing is to be done."""
    match module:
        case nn.Conv1d():
            return down(module, steps, gelu=gelu)
        case nn.ConvTranspose1d():
            return up(module, steps, gelu=gelu)
        case nn.Linear():
            return linear(module, order, steps, gelu=gelu)
        case Reader():
            return Reading(module, steps, order)
        case Writer():
            return Writing(module)
        case nn.GELU() | nn.Flatten() | nn.Unflatten() | Patches() | Transpose():
            return None  # done with the layer before, or a matter of order, and steps come first here anyway
    raise TypeError(f"no forward pass for {type(module).__name__}")


def _shape(module: nn.Module, shape: Shape) -> Shape:
    """Of what ``module`` makes of ``shape``."""
    steps, channels = shape
    match module:
        case nn.Conv1d():
            shape = steps // 2, module.out_channels
        case nn.ConvTranspose1d():
            shape = 2 * steps, module.out_channels
        case nn.Linear():
            shape = steps, module.out_features
        case Reader():
            shape = 1, module.directions * module.lstm.hidden_size
        case Writer():
            shape = len(module.places), module.lstm.hidden_size
        case Patches():
            shape = steps // module.patch, channels * module.patch
        case nn.Flatten():
            shape = 1, steps * channels
        case nn.Unflatten():
            shape = module.unflattened_size[1], module.unflattened_size[0]
    return shape


def _order(module: nn.Module, shape: Shape) -> Order | None:
    """Where torch, with its channels first, has what lies at each place of a step here; None: in the same."""
    steps, channels = shape
    match module:
        case nn.Flatten():
            return _turned(channels, steps)
        case Patches():
            return _turned(channels, module.patch)
    return None


def _ordered(layer: Layer | Sliding, order: Order) -> Sliding:
    if not isinstance(layer, Sliding):
        raise TypeError(f"no forward pass from {type(layer).__name__} to channels")
    return layer.ordered(order)


def _turned(rows: int, columns: int) -> Order:
    """Where in a flat [rows, columns] the elements of a flat [columns, rows] lie."""
    return np.arange(rows * columns).reshape(rows, columns).T.ravel()
