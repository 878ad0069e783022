"""Autoencoders that are trained in a moment."""

from __future__ import annotations

from ecgmon.model.methods.autoencoder import AutoencoderMethod, AutoencoderSettings
from ecgmon.model.methods.base import Learning, Reading
from ecgmon.model.methods.sizes import DeepNetwork

LEARNS = AutoencoderSettings(epochs=20, batch=32, learning_rate=5e-3, patience=20)
SMALL = AutoencoderSettings(network=DeepNetwork(sizes=(32,), latent=4), epochs=3, batch=32)
ERROR = Reading()


def fitted(settings: AutoencoderSettings, learning: Learning, seed: int = 0) -> AutoencoderMethod:
    method = AutoencoderMethod(settings)
    method.fit(learning, seed)
    return method
