"""LSTMs on a CPU: what a step takes from the input is one product for all steps, the rest a loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from torch import nn

from ecgmon.ecg.types import Samples
from ecgmon.model.kernels import recur
from ecgmon.model.lanes import LANES
from ecgmon.model.layers import Reader, Writer
from ecgmon.model.sliding import NONE, Chain, Margin, Order, Sliding, array, panels

GATES: Final = 4
ENDS: Final = ("", "_reverse")
"""What torch's names of weights end in: read forwards, and backwards."""


class Reading:
    """:class:`ecgmon.model.layers.Reader`: [n, steps * width] to the last states [n, directions * hidden].

    A step's inputs come in ``order``.
    """

    margin = NONE

    def __init__(self, reader: Reader, steps: int, order: Order | None) -> None:
        self._layers = _Layers(reader.lstm, steps)
        self._sums = []
        for end in ENDS[: reader.directions]:
            weight, bias = _input(reader.lstm, f"l0{end}")
            weight = weight if order is None else weight[order]
            self._sums.append(_alone(weight, bias, steps, reader.lstm.input_size))

    def __call__(self, x: Samples, margin: Margin = NONE) -> Samples:
        if margin != NONE:
            raise ValueError("last states have no margin")
        states = self._layers([sums(x) for sums in self._sums])
        hidden = self._layers.hidden
        return np.concatenate((states[:, -1, :hidden], states[:, 0, hidden:]), axis=1)


class Writing:
    """:class:`ecgmon.model.layers.Writer`: [n, told] to [n, steps * hidden]."""

    margin = NONE

    def __init__(self, writer: Writer) -> None:
        places = array(writer.places)
        weight, bias = _input(writer.lstm, "l0")
        told = len(weight) - places.shape[1]
        self._told = _alone(weight[:told], bias, 1, told)
        self._places = places @ weight[told:]
        self._layers = _Layers(writer.lstm, len(places))

    def __call__(self, x: Samples, margin: Margin = NONE) -> Samples:
        if margin != NONE:
            raise ValueError("written states have no margin")
        return self._layers([self._told(x)[:, None, :] + self._places]).reshape(len(x), -1)


class _Layers:
    """All of an LSTM but the first layer's product: for each direction [n, steps * 4 * units] to states
    [n, steps, directions * hidden] of the last layer."""

    def __init__(self, lstm: nn.LSTM, steps: int) -> None:
        self.hidden = lstm.hidden_size
        self._steps = steps
        ends = ENDS[: 1 + lstm.bidirectional]
        self._width = len(ends) * self.hidden
        layers = range(lstm.num_layers)
        self._states = [[_state(lstm, f"l{layer}{end}") for end in ends] for layer in layers]
        self._sums = [
            [_alone(*_input(lstm, f"l{layer}{end}"), steps, self._width) for end in ends]
            for layer in layers[1:]
        ]

    def __call__(self, given: Sequence[Samples]) -> Samples:
        states = self._along(given, self._states[0])
        for sums, weights in zip(self._sums, self._states[1:], strict=True):
            flat = states.reshape(len(states), -1)
            states = self._along([each(flat) for each in sums], weights)
        return states

    def _along(self, given: Sequence[Samples], weights: Sequence[Samples]) -> Samples:
        """One layer: forwards, and backwards."""
        n = len(given[0])
        states = np.empty((n, self._steps, self._width), np.float32)
        for backwards, (sums, weight) in enumerate(zip(given, weights, strict=True)):
            rows = sums.reshape(n, self._steps, -1)
            recur(rows, weight, bool(backwards), states, backwards * self.hidden, self.hidden)
        return states


def _alone(weight: Samples, bias: Samples, count: int, step: int) -> Chain:
    return Chain([Sliding(weight, bias, count, step, gelu=False)])


def _input(lstm: nn.LSTM, name: str) -> tuple[Samples, Samples]:
    """From a step's input to the gates' sums: weights [width, 4 * units] and bias [4 * units]."""
    weight, bias = array(getattr(lstm, f"weight_ih_{name}")), array(getattr(lstm, f"bias_ih_{name}"))
    return _gates(weight.T), _gates(bias + array(getattr(lstm, f"bias_hh_{name}")))


def _state(lstm: nn.LSTM, name: str) -> Samples:
    """From the state before to the gates' sums: weights [units, 4 * units] in panels."""
    weight = _gates(array(getattr(lstm, f"weight_hh_{name}")).T)
    return panels(np.pad(weight, ((0, weight.shape[1] // GATES - len(weight)), (0, 0))))


def _gates(weight: Samples) -> Samples:
    """[..., 4 * hidden] to [..., 4 * units], each gate filled up to whole vectors with zeros, which keeps the
    units that are none at zero."""
    hidden = weight.shape[-1] // GATES
    split = weight.reshape(*weight.shape[:-1], GATES, hidden)
    spare = -hidden % LANES
    filled = np.pad(split, [(0, 0)] * (split.ndim - 1) + [(0, spare)])
    return filled.reshape(*weight.shape[:-1], -1)
