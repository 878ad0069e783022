"""From the settings of a method to the method."""

from __future__ import annotations

from ecgmon.model.methods.autoencoder import AutoencoderMethod, AutoencoderSettings
from ecgmon.model.methods.base import Method
from ecgmon.model.methods.classical import ClassicalMethod, ClassicalSettings
from ecgmon.model.methods.latent import LatentMethod, LatentSettings

MethodSettings = AutoencoderSettings | LatentSettings | ClassicalSettings


def build(settings: MethodSettings) -> Method:
    """The method, not fitted yet. Raises :class:`DependencyError` where it needs scikit-learn and there is
    none."""
    match settings:
        case AutoencoderSettings():
            return AutoencoderMethod(settings)
        case LatentSettings():
            return LatentMethod(settings)
        case ClassicalSettings():
            return ClassicalMethod(settings)
