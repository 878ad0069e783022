"""Variations of normal beats that training should take for normal, and damage that it should repair.

A variation (gain, polarity, shift) changes input and target alike: another electrode position, another
amplifier. Damage (noise, a masked stretch, a beat made odd) changes the input only, so that the autoencoder
learns to restore instead of to copy (Vincent et al. 2008): what it cannot restore, an odd beat, then stands
out.
"""

from __future__ import annotations

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from ecgmon.config import Settings
from ecgmon.ecg.types import WINDOW, Layout
from ecgmon.model.corruption import corrupt


class AugmentationSettings(Settings, frozen=True):
    """How much training windows vary. Zeros switch everything off."""

    gain: Annotated[float, Meta(ge=0, le=1, description="size varies by up to this factor minus 1")] = 0.3
    polarity: Annotated[float, Meta(ge=0, le=0.5, description="share of windows turned upside down")] = 0.25
    shift: Annotated[int, Meta(ge=0, le=20, description="samples a window slides either way at most")] = 2
    noise: Annotated[float, Meta(ge=0, le=1, description="white noise to remove, of the QRS size")] = 0.05
    strangers: Annotated[
        float, Meta(ge=0, le=1, description="share of windows shown without their patient's reference beat")
    ] = 0.05
    odd: Annotated[
        float, Meta(ge=0, le=1, description="share of windows made odd, to be made normal again")
    ] = 0.6
    mask: Annotated[int, Meta(ge=0, le=93, description="longest stretch to restore, samples; 0 = none")] = 0


def augment(
    x: Tensor, reference: Tensor, settings: AugmentationSettings, layout: Layout, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Input, reference and target, each [n, 187], from clean windows and references [n, 187] on the CPU.

    Gain and polarity belong to the electrode and change a window together with its reference; the shift is an
    R-peak found a little off and moves the window alone.

    Windows of the layout ``kachuee`` are scaled to 0..1 and zero-padded from their end on; gain, polarity,
    shift and oddness would make them what no such file holds, so only noise and the mask apply to them.
    """
    n = len(x)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    if layout == "centred":
        gain = torch.exp((2 * uniform(n, 1) - 1) * torch.log1p(torch.tensor(settings.gain)))
        sign = 1 - 2 * (uniform(n, 1) < settings.polarity).to(x.dtype)
        by = torch.randint(-settings.shift, settings.shift + 1, (n, 1), generator=generator)
        place = (torch.arange(WINDOW) + by).clamp(0, WINDOW - 1)  # the edge repeats
        x = torch.gather(x, 1, place) * gain * sign
        reference = reference * gain * sign
    if settings.strangers:
        reference = reference.masked_fill(uniform(n, 1) < settings.strangers, 0.0)
    damaged = x
    if settings.odd and layout == "centred":
        damaged = corrupt(damaged, settings.odd, generator)
    if settings.noise:
        level = settings.noise * uniform(n, 1)
        damaged = damaged + level * torch.randn(x.shape, generator=generator)
    if settings.mask:
        length = (uniform(n, 1) * (settings.mask + 1)).floor()
        start = (uniform(n, 1) * (WINDOW - length + 1)).floor()
        at = torch.arange(WINDOW)
        damaged = damaged.masked_fill((at >= start) & (at < start + length), 0.0)
    return damaged, reference, x
