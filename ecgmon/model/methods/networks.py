"""The autoencoders that the literature sets beside each other, on windows of 187 samples.

MLP, LSTM and the convolutions of five layers have the sizes of Chandra and Kala (2019, "Regularised
encoder-decoder architecture for anomaly detection in ECG time signals"), as the program published for it has
them.
Ours differ in the activation (GELU; their ReLU loses much of what a net of two channels sees) and in the
output, which is linear: theirs is a sigmoid, and centred windows have values below 0 and above 1.

All share one face::

    network = build(MlpNetwork(), gaussian=False)
    restored, latent = network(x)               # [n, 187] -> [n, 187], [n, latent]
    restored, kl = network.forward_training(x)  # [n, 187] -> [n, 187], [n]
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecgmon.ecg.types import WINDOW
from ecgmon.model.layers import PADDED, Reader, Transpose, Writer, down, up
from ecgmon.model.methods.blocks import (
    Cut,
    Pad,
    StateReader,
    StateWriter,
    dense,
    normed_down,
    normed_up,
    pooled,
)
from ecgmon.model.methods.sizes import (
    Conv1dNetwork,
    ConvLstmNetwork,
    DeepConvNetwork,
    DeepNetwork,
    LstmNetwork,
    MlpNetwork,
    NetworkSettings,
)

KERNELS = (8, 11, 11, 6)
"""Of the pooled layers of :class:`Conv1dNetwork`; the layer behind them spans what is left."""
DRAWN = (15, 40, 90, 180)
"""Lengths on the way back, as far as there are layers; the last transposed filter gives 187."""


class Network(nn.Module):
    """What all have in common: the latent vector and its regularisation.

    encoder    [n, 187] to [n, features]
    mean       [n, features] to [n, latent]; last layer of the encoder
    decoder    [n, latent] to [n, 187]

    ``gaussian``: the encoder gives mean and log-variance, training draws the latent from them, and its
    divergence from the standard normal is paid for (Kingma and Welling 2014); scoring uses the mean. Chandra
    and Kala argue for a KL term that pulls the latent towards a normal distribution. In their published
    program the latent is a softmax and the other side of the term uniform noise drawn anew; what is built
    here is what they argue for, not that.
    """

    def __init__(
        self,
        encoder: nn.Module,
        features: int,
        mean: nn.Module,
        decoder: nn.Module,
        latent: int,
        gaussian: bool,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.mean = mean
        self.decoder = decoder
        self.latent = latent
        self.log_variance = nn.Linear(features, latent) if gaussian else None

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """[n, 187] to mean [n, latent] and, if Gaussian, log-variance [n, latent]."""
        features: Tensor = self.encoder(x)
        mean: Tensor = self.mean(features)
        if self.log_variance is None:
            return mean, None
        return mean, self.log_variance(features).clamp(-10.0, 10.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[n, 187] to restored [n, 187] and latent [n, latent]; nothing is drawn by chance here."""
        mean, _ = self.encode(x)
        return self.decoder(mean), mean

    def forward_training(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """[n, 187] to restored [n, 187] and KL divergence [n] in nats, zeros without a Gaussian."""
        mean, log_variance = self.encode(x)
        if log_variance is None:
            return self.decoder(mean), mean.new_zeros(len(mean))
        draw = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
        return self.decoder(mean + draw * (0.5 * log_variance).exp()), kl

    def parameter_count(self) -> int:
        """How many numbers training adjusts."""
        return _count(self)

    def encoder_parameter_count(self) -> int:
        """The same of what gives the latent vector."""
        return _count(self.encoder) + _count(self.mean)


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def build(settings: NetworkSettings, *, gaussian: bool) -> Network:
    """The network that ``settings`` describe, with fresh weights (from torch's global generator)."""
    match settings:
        case MlpNetwork():
            return _dense(settings, normed=False, gaussian=gaussian)
        case DeepNetwork():
            return _dense(settings, normed=True, gaussian=gaussian)
        case LstmNetwork():
            return _lstm(settings, gaussian)
        case Conv1dNetwork():
            return _conv1d(settings, gaussian)
        case ConvLstmNetwork():
            return _conv_lstm(settings, gaussian)
        case DeepConvNetwork():
            return _deep_conv(settings, gaussian)


def _dense(s: MlpNetwork | DeepNetwork, *, normed: bool, gaussian: bool) -> Network:
    features = s.sizes[-1]
    decoder = nn.Sequential(dense((s.latent, *s.sizes[::-1]), normed=normed), nn.Linear(s.sizes[0], WINDOW))
    encoder = dense((WINDOW, *s.sizes), normed=normed)
    return Network(encoder, features, nn.Linear(features, s.latent), decoder, s.latent, gaussian)


def _lstm(s: LstmNetwork, gaussian: bool) -> Network:
    state = 2 * s.layers * s.hidden
    reader, writer = StateReader(s.patch, s.hidden, s.layers), StateWriter(s.patch, s.hidden, s.layers)
    mean = nn.Linear(state, state) if gaussian else nn.Identity()
    return Network(reader, state, mean, writer, state, gaussian)


def _conv1d(s: Conv1dNetwork, gaussian: bool) -> Network:
    *before, latent = s.channels
    steps = WINDOW
    for kernel in KERNELS[: len(before)]:
        steps = (steps - kernel + 1) // 2  # 90, 40, 15, 5
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, WINDOW)), pooled((1, *before), KERNELS[: len(before)]), nn.Flatten()
    )  # [n, 187] -> [n, 16, 5] -> [n, 80]
    drawn = DRAWN[-len(before) :]
    back: list[nn.Module] = [nn.Unflatten(1, (latent, 1)), nn.ConvTranspose1d(latent, before[-1], drawn[0])]
    for i, length in enumerate(drawn[1:]):  # [n, 16, 15] -> [n, 8, 40] -> [n, 4, 90] -> [n, 2, 180]
        padding = 5 if length == 180 else 0
        back += [nn.GELU(), nn.ConvTranspose1d(before[-1 - i], before[-2 - i], 12, stride=2, padding=padding)]
    back += [nn.GELU(), nn.ConvTranspose1d(before[0], 1, 8), nn.Flatten()]  # [n, 1, 187] -> [n, 187]
    features = before[-1] * steps
    return Network(encoder, features, nn.Linear(features, latent), nn.Sequential(*back), latent, gaussian)


def _conv_lstm(s: ConvLstmNetwork, gaussian: bool) -> Network:
    width, steps = s.channels[-1], PADDED >> len(s.channels)
    encoder = nn.Sequential(
        Pad(), *down((1, *s.channels), s.kernel), Transpose(), Reader(width, s.hidden, s.layers, False)
    )  # [n, 187] -> [n, 16, 24] -> [n, 24, 16] -> [n, hidden]
    decoder = nn.Sequential(
        Writer(s.latent, s.hidden, s.layers, steps),
        nn.Linear(s.hidden, width),
        Transpose(),
        *up((*s.channels[::-1], 1), s.kernel),
        Cut(),
    )  # [n, latent] -> [n, 24, hidden] -> [n, 24, 16] -> [n, 16, 24] -> [n, 1, 192] -> [n, 187]
    return Network(encoder, s.hidden, nn.Linear(s.hidden, s.latent), decoder, s.latent, gaussian)


def _deep_conv(s: DeepConvNetwork, gaussian: bool) -> Network:
    steps = PADDED >> len(s.channels)
    features = steps * s.channels[-1]
    encoder = nn.Sequential(
        Pad(), normed_down((1, *s.channels), s.kernel), nn.Flatten()
    )  # [n, 187] -> [n, 32, 24] -> [n, 768]
    decoder = nn.Sequential(
        dense((s.latent, features), normed=True),
        nn.Unflatten(1, (s.channels[-1], steps)),
        normed_up((*s.channels[::-1], 1), s.kernel),
        Cut(),
    )  # [n, 16] -> [n, 768] -> [n, 32, 24] -> [n, 1, 192] -> [n, 187]
    return Network(encoder, features, nn.Linear(features, s.latent), decoder, s.latent, gaussian)
