"""The parts of the compared networks that the shipped model has no use for."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ecgmon.ecg.types import WINDOW
from ecgmon.model.layers import LEFT, pad


class Pad(nn.Module):
    """[n, 187] to [n, 1, 192], the edges repeated, which halves evenly."""

    def forward(self, x: Tensor) -> Tensor:
        return pad(x.unsqueeze(1))


class Cut(nn.Module):
    """[n, 1, 192] back to [n, 187]."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, LEFT : LEFT + WINDOW]


def dense(sizes: tuple[int, ...], *, normed: bool) -> nn.Sequential:
    """A layer for each pair of neighbours in ``sizes``, with GELU and, ``normed``, batch normalisation."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers.append(nn.Linear(before, after))
        if normed:
            layers.append(nn.BatchNorm1d(after))
        layers.append(nn.GELU())
    return nn.Sequential(*layers)


def pooled(channels: tuple[int, ...], kernels: tuple[int, ...]) -> nn.Sequential:
    """[n, channels[0], length] through a filter and the larger of two neighbours, once for each pair."""
    layers: list[nn.Module] = []
    for (before, after), kernel in zip(pairwise(channels), kernels, strict=True):
        layers += [nn.Conv1d(before, after, kernel), nn.GELU(), nn.MaxPool1d(2)]
    return nn.Sequential(*layers)


def normed_down(channels: tuple[int, ...], kernel: int) -> nn.Sequential:
    """Halve the length once for each pair of neighbours in ``channels``, with batch normalisation."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [
            nn.Conv1d(before, after, kernel, stride=2, padding=kernel // 2),
            nn.BatchNorm1d(after),
            nn.GELU(),
        ]
    return nn.Sequential(*layers)


def normed_up(channels: tuple[int, ...], kernel: int) -> nn.Sequential:
    """Double the length once for each pair; nothing behind the last filter, which draws the window."""
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [
            nn.ConvTranspose1d(before, after, kernel, stride=2, padding=kernel // 2, output_padding=1),
            nn.BatchNorm1d(after),
            nn.GELU(),
        ]
    return nn.Sequential(*layers[:-2])


class StateReader(nn.Module):
    """[n, 187] to what an LSTM knows behind the last step, outputs then cells: [n, 2 * layers * hidden]."""

    def __init__(self, patch: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.patch = patch
        self.lstm = nn.LSTM(patch, hidden, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        _, (output, cell) = self.lstm(x.reshape(len(x), -1, self.patch))  # twice [layers, n, hidden]
        return torch.cat((*output, *cell), dim=1)


class StateWriter(nn.Module):
    """A second LSTM starts from what the first remembers and writes the window from its end to its start.

    Malhotra et al. (2016, "LSTM-based encoder-decoder for multi-sensor anomaly detection") feed each output
    o = V h + d back as the next input. Here nothing is fed back and the fused kernel runs all steps in one
    call: W o + U h = (U + W V) h + W d, so a free recurrent matrix can do what theirs does with a linear
    output, at all steps but the first. They train with the true sample in place of the output; that is left
    out, as Chandra and Kala leave it out.
    """

    def __init__(self, patch: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.patch, self.hidden, self.layers = patch, hidden, layers
        self.lstm = nn.LSTM(1, hidden, layers, batch_first=True)
        self.lstm.weight_ih_l0.requires_grad_(False)  # of the input, which is always zero
        self.draw = nn.Linear(hidden, patch)

    def forward(self, state: Tensor) -> Tensor:
        n = len(state)
        output, cell = state.reshape(n, 2, self.layers, self.hidden).permute(1, 2, 0, 3).contiguous()
        nothing = state.new_zeros(n, WINDOW // self.patch, 1)
        written, _ = self.lstm(nothing, (output, cell))  # [n, steps, hidden]
        drawn: Tensor = self.draw(written).reshape(n, WINDOW)
        return drawn.flip(1)
