"""Three autoencoders for windows of 187 samples: convolutions, an LSTM, and both.

Each one squeezes a window through a short latent vector and draws it again. Trained on normal beats only, it
draws normal beats well and odd ones badly; the scores are built on that. All of them share one face::

    model = build(ConvSettings())
    reconstruction, latent = model(x)      # [n, 187] -> [n, 187], [n, latent]

Windows are padded at both ends to 192 = 64 * 3 samples by repeating the edge, which divides evenly into
strides and patches, and the reconstruction is cut back to 187.
"""

from __future__ import annotations

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from ecgmon.config import Settings
from ecgmon.ecg.types import WINDOW
from ecgmon.model.layers import LEFT, PADDED, Patches, Reader, Transpose, Writer, down, pad, up

Kernel = Annotated[int, Meta(ge=3, le=31, description="samples a filter spans; odd")]


class _Common(Settings, frozen=True, kw_only=True):
    latent: Annotated[int, Meta(ge=1, le=256, description="numbers a window is squeezed into")] = 16
    context: Annotated[
        int,
        Meta(
            ge=0, le=256, description="numbers that tell the decoder of the patient's reference beat; 0: none"
        ),
    ] = 24
    dropout: Annotated[float, Meta(ge=0, lt=0.9, description="share of features hidden while training")] = 0.0
    kl_weight: Annotated[
        float, Meta(ge=0, le=10, description="weight of the KL term; above 0 the latent is a Gaussian (VAE)")
    ] = 0.0


class ConvSettings(_Common, frozen=True, kw_only=True, tag="conv", tag_field="type"):
    """Strided convolutions down to 24 steps and transposed ones back."""

    channels: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=512)], ...],
        Meta(min_length=1, max_length=6, description="features after each halving of the length"),
    ] = (16, 32, 32)
    kernel: Kernel = 7

    def __post_init__(self) -> None:
        _check_kernel(self.kernel)


class LstmSettings(_Common, frozen=True, kw_only=True, tag="lstm", tag_field="type"):
    """An LSTM reads the window patch by patch; another writes it from the repeated latent vector."""

    patch: Annotated[int, Meta(ge=1, le=64, description="samples read in one step; divides 192")] = 8
    hidden: Annotated[int, Meta(ge=4, le=512, description="size of the LSTM's state")] = 64
    layers: Annotated[int, Meta(ge=1, le=4, description="LSTMs on top of each other")] = 1
    bidirectional: bool = True
    """The encoder reads the window from both ends."""

    def __post_init__(self) -> None:
        if PADDED % self.patch:
            raise ValueError(f"patch {self.patch} does not divide {PADDED}")


class ConvLstmSettings(_Common, frozen=True, kw_only=True, tag="conv-lstm", tag_field="type"):
    """Convolutions shorten the window, an LSTM reads and writes what they found."""

    channels: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=512)], ...],
        Meta(min_length=1, max_length=5, description="features after each halving of the length"),
    ] = (16, 32, 32)
    kernel: Kernel = 7
    hidden: Annotated[int, Meta(ge=4, le=512, description="size of the LSTM's state")] = 48
    layers: Annotated[int, Meta(ge=1, le=4, description="LSTMs on top of each other")] = 1
    bidirectional: bool = True
    """The encoder reads the window from both ends."""

    def __post_init__(self) -> None:
        _check_kernel(self.kernel)


Architecture = ConvSettings | LstmSettings | ConvLstmSettings


class Autoencoder(nn.Module):
    """What the three have in common: padding, the latent vector, and its optional regularisation.

    With ``kl_weight`` 0 the latent is a plain vector. Otherwise the encoder gives mean and log-variance of a
    Gaussian, training draws from it and pays its divergence from the standard normal (Kingma and Welling
    2014); scoring uses the mean, so that a score never depends on chance.
    """

    def __init__(self, settings: Architecture, encoder: nn.Module, features: int, decoder: nn.Module) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = encoder
        self.decoder = decoder
        self.drop = nn.Dropout(settings.dropout)
        self.context = _context(settings.context) if settings.context else None
        self.mean = nn.Linear(features, settings.latent)
        self.log_variance = nn.Linear(features, settings.latent) if settings.kl_weight > 0 else None

    def encode(self, x: Tensor, reference: Tensor) -> tuple[Tensor, Tensor | None]:
        """[n, 187] twice to mean [n, latent] and, with a KL term, log-variance [n, latent]."""
        seen = x.unsqueeze(1) if self.context is None else torch.stack((x - reference, reference), dim=1)
        features: Tensor = self.drop(self.encoder(pad(seen)))  # [n, 1 or 2, 192] -> [n, features]
        mean: Tensor = self.mean(features)
        if self.log_variance is None:
            return mean, None
        return mean, self.log_variance(features).clamp(-10.0, 10.0)

    def decode(self, latent: Tensor, reference: Tensor) -> Tensor:
        """[n, latent] and [n, 187] to [n, 187]: the departure from the reference is drawn and added to it."""
        told = (
            latent
            if self.context is None
            else torch.cat((latent, self.context(pad(reference.unsqueeze(1)))), 1)
        )
        drawn: Tensor = self.decoder(told)  # [n, 192]
        drawn = drawn[:, LEFT : LEFT + WINDOW]
        return drawn if self.context is None else reference + drawn

    def forward(self, x: Tensor, reference: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """[n, 187] and references [n, 187] to reconstruction [n, 187] and latent [n, latent].

        No reference is a reference of zeros. Nothing is drawn by chance here.
        """
        known = torch.zeros_like(x) if reference is None else reference
        mean, _ = self.encode(x, known)
        return self.decode(mean, known), mean

    def forward_training(
        self, x: Tensor, generator: torch.Generator | None = None, reference: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """[n, 187] twice to reconstruction [n, 187] and KL divergence [n] in nats (zeros without a KL term).

        ``generator`` is a CPU generator, so that the draw is the same on any device.
        """
        known = torch.zeros_like(x) if reference is None else reference
        mean, log_variance = self.encode(x, known)
        if log_variance is None:
            return self.decode(mean, known), mean.new_zeros(len(mean))
        draw = torch.randn(mean.shape, generator=generator, dtype=mean.dtype).to(mean.device)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
        return self.decode(mean + draw * (0.5 * log_variance).exp(), known), kl

    def parameter_count(self) -> int:
        """How many numbers training adjusts."""
        return sum(p.numel() for p in self.parameters())


def _check_kernel(kernel: int) -> None:
    if kernel % 2 == 0:
        raise ValueError(f"kernel {kernel} is even; an odd one keeps the window centred")


def build(settings: Architecture) -> Autoencoder:
    """The autoencoder that ``settings`` describe, with fresh weights (from torch's global generator)."""
    match settings:
        case ConvSettings():
            return _conv(settings)
        case LstmSettings():
            return _lstm(settings)
        case ConvLstmSettings():
            return _conv_lstm(settings)


def _conv(s: ConvSettings) -> Autoencoder:
    steps = PADDED >> len(s.channels)  # 24 with three halvings
    features = steps * s.channels[-1]
    encoder = nn.Sequential(
        *down((_inputs(s), *s.channels), s.kernel), nn.Flatten()
    )  # [n, 2, 192] -> [n, 24 * 32]
    decoder = nn.Sequential(
        nn.Linear(s.latent + s.context, features),
        nn.GELU(),
        nn.Unflatten(1, (s.channels[-1], steps)),  # [n, 32, 24]
        *up((*s.channels[::-1], 1), s.kernel),  # [n, 1, 192]
        nn.Flatten(),
    )
    return Autoencoder(s, encoder, features, decoder)


def _lstm(s: LstmSettings) -> Autoencoder:
    steps = PADDED // s.patch  # 24 patches of 8
    encoder = nn.Sequential(
        Patches(s.patch), Reader(_inputs(s) * s.patch, s.hidden, s.layers, s.bidirectional)
    )  # [n, 2, 192] -> [n, 24, 16] -> [n, 2 * hidden]
    decoder = nn.Sequential(
        Writer(s.latent + s.context, s.hidden, s.layers, steps), nn.Linear(s.hidden, s.patch), nn.Flatten()
    )  # [n, latent + context] -> [n, 24, hidden] -> [n, 24, 8] -> [n, 192]
    return Autoencoder(s, encoder, s.hidden * (1 + s.bidirectional), decoder)


def _conv_lstm(s: ConvLstmSettings) -> Autoencoder:
    width, steps = s.channels[-1], PADDED >> len(s.channels)  # 24 steps with three halvings
    encoder = nn.Sequential(
        *down((_inputs(s), *s.channels), s.kernel),
        Transpose(),
        Reader(width, s.hidden, s.layers, s.bidirectional),
    )  # [n, 2, 192] -> [n, 32, 24] -> [n, 24, 32] -> [n, 2 * hidden]
    decoder = nn.Sequential(
        Writer(s.latent + s.context, s.hidden, s.layers, steps),
        nn.Linear(s.hidden, width),
        Transpose(),
        *up((*s.channels[::-1], 1), s.kernel),
        nn.Flatten(),
    )  # [n, latent + context] -> [n, 24, hidden] -> [n, 24, 32] -> [n, 32, 24] -> [n, 1, 192] -> [n, 192]
    return Autoencoder(s, encoder, s.hidden * (1 + s.bidirectional), decoder)


def _inputs(s: Architecture) -> int:
    """Channels that the encoder reads: the window, or what departs from the reference and the reference."""
    return 2 if s.context else 1


def _context(size: int) -> nn.Module:
    """What the decoder is told of the reference: [n, 1, 192] -> [n, 16, 24] -> [n, size]."""
    return nn.Sequential(*down((1, 8, 16, 16), 7), nn.Flatten(), nn.Linear(16 * (PADDED >> 3), size))
