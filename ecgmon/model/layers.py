"""The parts that the autoencoders are put together from."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgmon.ecg.types import WINDOW

PADDED = 192
LEFT = (PADDED - WINDOW) // 2
RIGHT = PADDED - WINDOW - LEFT
PLACE = 16
"""Numbers that tell a writing LSTM which step it is at."""


def pad(x: Tensor) -> Tensor:
    """[n, c, 187] to [n, c, 192]."""
    return functional.pad(x, (LEFT, RIGHT), mode="replicate")


def down(channels: tuple[int, ...], kernel: int) -> list[nn.Module]:
    """Halve the length once for each pair of neighbours in ``channels``."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv1d(before, after, kernel, stride=2, padding=kernel // 2), nn.GELU()]
    return layers


def up(channels: tuple[int, ...], kernel: int) -> list[nn.Module]:
    """Double the length once for each pair; no activation behind the last, which draws millivolts' shape."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [
            nn.ConvTranspose1d(before, after, kernel, stride=2, padding=kernel // 2, output_padding=1),
            nn.GELU(),
        ]
    return layers[:-1]


class Patches(nn.Module):
    """[n, channels, 192] to [n, 192 / patch, channels * patch]: a step sees all channels of its patch."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, x: Tensor) -> Tensor:
        n, channels, length = x.shape
        patches = x.reshape(n, channels, length // self.patch, self.patch)
        return patches.transpose(1, 2).reshape(n, length // self.patch, channels * self.patch)


class Reader(nn.Module):
    """[n, steps, width] to the last state of an LSTM, [n, hidden] or, from both ends, [n, 2 * hidden]."""

    def __init__(self, width: int, hidden: int, layers: int, bidirectional: bool) -> None:
        super().__init__()
        self.directions = 1 + bidirectional
        self.lstm = _remembering(
            nn.LSTM(width, hidden, layers, batch_first=True, bidirectional=bidirectional)
        )

    def forward(self, x: Tensor) -> Tensor:
        _, (state, _) = self.lstm(x)  # [layers * directions, n, hidden]
        return torch.cat(tuple(state[-self.directions :]), dim=1)


class Writer(nn.Module):
    """The latent vector through an LSTM, once for each step: [n, latent] to [n, steps, hidden].

    A repeated vector instead of the sequence written so far (Malhotra et al. 2016 feed the output back) lets
    the fused kernel run all steps in one call. Beside it each step is told its place by a learned vector;
    without one the LSTM has to count, and learned little more than the average beat in the time in which it
    now restores each.
    """

    def __init__(self, latent: int, hidden: int, layers: int, steps: int) -> None:
        super().__init__()
        self.places = nn.Parameter(0.5 * torch.randn(steps, PLACE))
        self.lstm = _remembering(nn.LSTM(latent + PLACE, hidden, layers, batch_first=True))

    def forward(self, latent: Tensor) -> Tensor:
        n, steps = len(latent), len(self.places)
        told = torch.cat((latent.unsqueeze(1).expand(-1, steps, -1), self.places.expand(n, -1, -1)), dim=2)
        written: Tensor = self.lstm(told)[0]
        return written


def _remembering(lstm: nn.LSTM) -> nn.LSTM:
    """With forget gates that start open, so that gradients reach the first steps (Jozefowicz et al. 2015)."""
    with torch.no_grad():
        for name, bias in lstm.named_parameters():
            if name.startswith("bias_ih"):
                bias[lstm.hidden_size : 2 * lstm.hidden_size] = 1.0
    return lstm


class Transpose(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)
