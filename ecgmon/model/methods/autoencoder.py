"""Autoencoders as methods: what a network cannot restore is odd."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
import torch
from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Samples
from ecgmon.model.epochs import History
from ecgmon.model.methods.base import Floats, Learning, Reading, Variation, seen
from ecgmon.model.methods.fitting import CHUNK, Course, Loss, train
from ecgmon.model.methods.networks import Network
from ecgmon.model.methods.scores import score, usual_error
from ecgmon.model.methods.sizes import Conv1dNetwork, NetworkSettings
from ecgmon.model.methods.variations import averaged
from ecgmon.model.reproducible import one_thread


class AutoencoderSettings(Settings, frozen=True, tag="autoencoder", tag_field="type"):
    """A network, how it learns, and the ways to read a score off it."""

    network: NetworkSettings = Conv1dNetwork()
    kl_weight: Annotated[
        float,
        Meta(ge=0, le=1000, description="weight of the KL term; above 0 the latent is a Gaussian (VAE)"),
    ] = 0.0
    noise: Annotated[
        float, Meta(ge=0, le=2, description="white noise to remove (denoising), of the QRS size; 0: none")
    ] = 0.0
    loss: Loss = "mse"
    huber_delta: Annotated[
        float, Meta(gt=0, le=10, description="error beyond which `huber` is linear, of the QRS size")
    ] = 0.1
    """About what a trained network leaves (root mean square): far above it the loss would be ``mse``."""
    epochs: Annotated[int, Meta(ge=1, le=10_000, description="at most")] = 40
    batch: Annotated[int, Meta(ge=2, le=65_536, description="windows a step")] = 128
    learning_rate: Annotated[float, Meta(gt=0, le=1, description="at the top of the schedule")] | None = None
    """null: the network's own (:mod:`~ecgmon.model.methods.sizes`)."""
    warmup_epochs: Annotated[float, Meta(ge=0, le=1000, description="until the rate is there")] = 1.0
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 0.0
    patience: Annotated[int, Meta(ge=1, description="epochs without a better validation loss: stop")] = 10
    augmentation: tuple[Variation, ...] = ()
    """Before training: each one changes half of a batch, input and target alike, drawn anew each time."""
    readings: dict[str, Reading] = msgspec.field(default_factory=lambda: {"error": Reading()})


class AutoencoderMethod:
    """A :class:`~ecgmon.model.methods.base.Method`."""

    def __init__(self, settings: AutoencoderSettings) -> None:
        self.settings = settings
        self.history: History | None = None
        self.unit = False
        """Windows are 0..1; varied ones stay there."""
        self._network: Network | None = None
        self._usual: Floats | None = None

    @property
    def network(self) -> Network:
        """The fitted network."""
        if self._network is None:
            raise RuntimeError("not fitted yet: call fit first")
        return self._network

    @property
    def parameters(self) -> int:
        return self.network.parameter_count()

    def fit(self, learning: Learning, seed: int) -> None:
        s = self.settings
        course = Course(
            epochs=s.epochs,
            batch=s.batch,
            learning_rate=s.learning_rate or s.network.rate,
            warmup_epochs=s.warmup_epochs,
            weight_decay=s.weight_decay,
            patience=s.patience,
            loss=s.loss,
            huber_delta=s.huber_delta,
            kl_weight=s.kl_weight,
            noise=s.noise,
            augmentation=s.augmentation,
        )
        self._network, self.history = train(s.network, course, learning, seed)
        self.unit = learning.unit
        self._usual = usual_error(learning.train, self.restore(learning.train))

    def score(self, x: Samples, reading: Reading, seed: int = 0) -> Floats:
        if self._usual is None:
            raise RuntimeError("not fitted yet: call fit first")
        usual = self._usual

        def plain(windows: Samples) -> Floats:
            return score(reading.score, windows, self._run(windows)[0], usual)

        return averaged(plain, x, reading, seed, unit=self.unit)

    def restore(self, x: Samples) -> Samples:
        return self._run(seen(x))[0]

    def embed(self, x: Samples) -> Floats:
        return self._run(seen(x))[1].astype(np.float64)

    def _run(self, x: Samples) -> tuple[Samples, Samples]:
        """[n, 187] to restored [n, 187] and latent [n, latent]."""
        network = self.network
        restored, latent = np.empty_like(x), np.empty((len(x), network.latent), np.float32)
        with torch.inference_mode(), one_thread():
            for first in range(0, len(x), CHUNK):
                part = slice(first, first + CHUNK)
                y, z = network(torch.from_numpy(x[part]))
                restored[part], latent[part] = y.numpy(), z.numpy()
        return restored, latent
