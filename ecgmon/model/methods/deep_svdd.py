"""Deep support vector data description (Ruff et al. 2018), the one-class objective.

The encoder of a trained autoencoder goes on learning to bring normal windows close to one point, the mean of
their embeddings before; the score is the squared distance from it. An encoder that maps everything to that
point would be perfect, and useless. Ruff et al. rule it out by layers without biases; ours come with biases
from the autoencoder, so these stay as they are, with the batch normalisation, and a small rate for a fixed
number of epochs keeps the rest from getting there. There is no early stopping: the distance on normal
windows of others falls towards such a collapse too.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor, nn

from ecgmon.config import Settings
from ecgmon.ecg.types import Samples
from ecgmon.errors import EcgmonError
from ecgmon.model.methods.base import Floats, seen
from ecgmon.model.methods.fitting import CHUNK, CLIP_NORM, batches
from ecgmon.model.methods.networks import Network
from ecgmon.model.reproducible import one_thread, reproducible

NORMED = (nn.BatchNorm1d,)


class DeepSvddSettings(Settings, frozen=True, tag="deep-svdd", tag_field="type"):
    """The encoder learns on, to bring normal windows together (Ruff et al. 2018)."""

    epochs: Annotated[int, Meta(ge=1, le=10_000)] = 10
    batch: Annotated[int, Meta(ge=2, le=65_536, description="windows a step")] = 128
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 1e-4
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Of embeddings to 0..1 by what the training windows gave; a number that never varied keeps its size."""

    low: Floats
    span: Floats

    @classmethod
    def of(cls, embeddings: Floats) -> Scaling:
        """From [n, latent]."""
        low, high = embeddings.min(axis=0), embeddings.max(axis=0)
        return cls(low, np.where(high > low, high - low, 1.0))

    def __call__(self, embeddings: Floats) -> Floats:
        return (embeddings - self.low) / self.span

    @property
    def parameters(self) -> int:
        return 2 * len(self.low)


class DeepSvdd:
    """Fitted to training windows [n, 187], from a trained ``network``, which stays as it is."""

    def __init__(
        self, settings: DeepSvddSettings, network: Network, scaling: Scaling, train: Samples, seed: int
    ) -> None:
        self.network = copy.deepcopy(network).eval()  # batch normalisation as the autoencoder left it
        self._low = torch.from_numpy(scaling.low.astype(np.float32))
        self._span = torch.from_numpy(scaling.span.astype(np.float32))
        self.centre = self.embed(train).mean(axis=0)
        with reproducible(seed):
            self._learn(settings, torch.from_numpy(seen(train)), seed)

    @property
    def parameters(self) -> int:
        """Beside the encoder: the centre."""
        return len(self.centre)

    def embed(self, x: Samples) -> Floats:
        """[n, 187] to scaled embeddings [n, latent]."""
        x = seen(x)
        with torch.inference_mode(), one_thread():
            parts = [self._embed(torch.from_numpy(x[i : i + CHUNK])).numpy() for i in range(0, len(x), CHUNK)]
        empty = np.empty((0, self.network.latent), np.float32)
        return np.concatenate([empty, *parts]).astype(np.float64)

    def distance(self, embeddings: Floats) -> Floats:
        """[n, latent] to [n]: squared distance from the centre."""
        squared: Floats = ((embeddings - self.centre) ** 2).sum(axis=1)
        return squared

    def _embed(self, x: Tensor) -> Tensor:
        mean, _ = self.network.encode(x)
        return (mean - self._low) / self._span

    def _learn(self, settings: DeepSvddSettings, x: Tensor, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        centre = torch.from_numpy(self.centre.astype(np.float32))
        weights = _weights(self.network)
        self.network.requires_grad_(False)
        for weight in weights:
            weight.requires_grad_(True)
        optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        for _ in range(settings.epochs):
            for rows in batches(len(x), settings.batch, generator):
                optimizer.zero_grad(set_to_none=True)
                loss = (self._embed(x[rows]) - centre).square().sum(dim=1).mean()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(weights, CLIP_NORM)
                optimizer.step()
            if not math.isfinite(float(loss.detach())):
                raise EcgmonError(
                    f"deep-svdd: the loss is no number any more; lower learning_rate "
                    f"(now {settings.learning_rate:g})"
                )


def _weights(network: Network) -> list[nn.Parameter]:
    """What learns on: the encoder's weights, without biases and batch normalisation."""
    return [
        parameter
        for part in (network.encoder, network.mean)
        for module in part.modules()
        if not isinstance(module, NORMED)
        for name, parameter in module.named_parameters(recurse=False)
        if "bias" not in name
    ]
