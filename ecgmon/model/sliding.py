"""Convolutions and linear layers as one thing: a matrix slid along each beat.

Features lie channels last, [n, steps * channels]. Then a strided convolution's window is one piece of memory,
and so is that of a transposed convolution, which has its two phases as columns beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgmon.ecg.types import Samples
from ecgmon.model.kernels import chain
from ecgmon.model.lanes import LANES, PANEL

Margin = tuple[int, int]
"""Zeros before and behind each beat's features, in numbers: what a convolution pads with."""
NONE: Final[Margin] = (0, 0)


Order = NDArray[np.intp]
"""Which of torch's features lies at each place here."""


class Layer(Protocol):
    """Features [n, ...] to features [n, ...]."""

    margin: Margin
    """What it wants around its input."""

    def __call__(self, x: Samples, margin: Margin = NONE) -> Samples:
        """With ``margin`` around what it gives."""


class Sliding:
    """``count`` rows of window @ ``weight`` [k, columns] + ``bias``, the windows ``step`` numbers apart."""

    def __init__(
        self, weight: Samples, bias: Samples, count: int, step: int, *, gelu: bool, margin: Margin = NONE
    ) -> None:
        self.weight, self.bias, self.margin = weight, bias, margin
        self.count, self.step, self.gelu = count, step, gelu

    @property
    def reach(self) -> int:
        """Numbers of input that the windows lie in."""
        return (self.count - 1) * self.step + len(self.weight)

    def ordered(self, columns: Order) -> Sliding:
        """The same with its columns in another order."""
        return Sliding(
            self.weight[:, columns], self.bias[columns], self.count, self.step,
            gelu=self.gelu, margin=self.margin,
        )  # fmt: skip


class Chain:
    """Layers that slide, one behind the other in one compiled call."""

    def __init__(self, layers: Sequence[Sliding]) -> None:
        self.margin = layers[0].margin
        self._reach = layers[0].reach
        weights, biases = (
            [panels(layer.weight) for layer in layers],
            [_filled(layer.bias) for layer in layers],
        )
        self._weights, self._biases = np.concatenate(weights), np.concatenate(biases)
        self._plan = np.array([
            (layer.step, layer.count, *layer.weight.shape, layer.gelu, w_at, bias_at, *layer.margin)
            for layer, w_at, bias_at in zip(layers, _starts(weights), _starts(biases), strict=True)
        ], np.int64)  # fmt: skip

    def __call__(self, x: Samples, margin: Margin = NONE) -> Samples:
        if x.shape[1] < self._reach:  # compiled code would read on
            raise ValueError(f"{x.shape[1]} features for windows that reach to {self._reach}")
        return chain(x, self._plan, self._weights, self._biases, *margin)


def chained(layers: Sequence[Layer | Sliding]) -> list[Layer]:
    """The same layers, neighbours that slide as one."""
    joined: list[Layer] = []
    sliding: list[Sliding] = []
    for layer in layers:
        if isinstance(layer, Sliding):
            sliding.append(layer)
            continue
        joined += [*_chains(sliding), layer]
        sliding = []
    return [*joined, *_chains(sliding)]


def _chains(layers: Sequence[Sliding]) -> list[Chain]:
    return [Chain(layers)] if layers else []


def linear(layer: nn.Linear, order: Order | None, steps: int, *, gelu: bool) -> Sliding:
    """``layer`` at each of ``steps``, the inputs in ``order``."""
    weight = array(layer.weight).T
    return Sliding(
        weight if order is None else weight[order], array(layer.bias), steps, layer.in_features, gelu=gelu
    )


def down(layer: nn.Conv1d, steps: int, *, gelu: bool) -> Sliding:
    """[n, steps * in] to [n, steps / 2 * out]: a convolution of stride 2."""
    kernel = array(layer.weight)  # [out, in, taps]
    outputs, inputs, taps = kernel.shape
    together = _together(outputs, steps // 2)
    weight = np.zeros((taps + 2 * (together - 1), inputs, together, outputs), np.float32)
    for u in range(together):
        weight[2 * u : 2 * u + taps, :, u] = kernel.transpose(2, 1, 0)
    before = taps // 2
    return Sliding(
        weight.reshape(-1, together * outputs), np.tile(array(layer.bias), together),
        steps // 2 // together, 2 * together * inputs,
        gelu=gelu, margin=(before * inputs, (taps - 2 - before) * inputs),
    )  # fmt: skip


def up(layer: nn.ConvTranspose1d, steps: int, *, gelu: bool) -> Sliding:
    """[n, steps * in] to [n, 2 * steps * out]: a transposed convolution of stride 2.

    Step s of the input adds tap t to place 2 s + t - taps // 2 of the output. So the places 2 s and 2 s + 1
    are sums over the steps from s - before to s + after.
    """
    kernel = array(layer.weight)  # [in, out, taps]
    inputs, outputs, taps = kernel.shape
    before, after = taps // 2 // 2, (taps // 2 + 1) // 2
    together = _together(2 * outputs, steps)
    weight = np.zeros((before + together + after, inputs, together, 2, outputs), np.float32)
    for u in range(together):
        for from_s in range(-before, after + 1):
            for odd in (0, 1):
                tap = odd + taps // 2 - 2 * from_s
                if 0 <= tap < taps:
                    weight[u + from_s + before, :, u, odd] = kernel[:, :, tap]
    return Sliding(
        weight.reshape(-1, together * 2 * outputs), np.tile(array(layer.bias), 2 * together),
        steps // together, together * inputs,
        gelu=gelu, margin=(before * inputs, after * inputs),
    )  # fmt: skip


def _together(columns: int, steps: int) -> int:
    """Steps whose ``columns`` share a row, so that few channels fill a vector: a power of 2, divides
    ``steps``."""
    together = 1
    while 2 * together * columns <= LANES and steps % (2 * together) == 0:
        together *= 2
    return together


def panels(weight: Samples) -> Samples:
    """[k, columns] flat, panel by panel; the last is one vector wide where that is enough, and filled up with
    zeros."""
    parts = []
    for first in range(0, weight.shape[1], PANEL):
        part = weight[:, first : first + PANEL]
        width = PANEL if part.shape[1] > LANES else LANES
        parts.append(np.pad(part, ((0, 0), (0, width - part.shape[1]))).ravel())
    return np.concatenate(parts).astype(np.float32)


def _filled(bias: Samples) -> Samples:
    """[columns] up to whole panels, with zeros."""
    return np.pad(bias, (0, -len(bias) % PANEL))


def _starts(parts: Sequence[Samples]) -> list[int]:
    """Where each begins when they lie one behind the other."""
    return [0, *accumulate(len(part) for part in parts[:-1])]


def array(tensor: Tensor | None) -> Samples:
    """A copy: later training does not touch it."""
    if tensor is None:
        raise TypeError("a layer without bias has no forward pass here")
    return np.array(tensor.detach().cpu().numpy(), np.float32)
