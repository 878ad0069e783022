"""Normal beats made odd, for the autoencoder to make normal again.

An autoencoder that was trained to copy normal beats copies odd ones too, nearly as well: what it learned is
to draw. Trained to restore a beat from a version of it that no heart in its place would give, beside the
patient's reference, it learns which departures from the reference a normal beat may have, and to take back
the others. So the error of an odd beat stays as large as its distance from the reference, and that of a
normal one gets smaller. Denoising (Vincent et al. 2008) with the noise of the field; only normal beats are
used.

The ways to make a beat odd: a wide or narrow one (time stretched about the R-peak), a QRS complex of another
size or polarity, somebody else's beat, bumps anywhere (P and T waves), and a fusion of the beat with
somebody else's wide one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ecgmon.ecg.types import R_INDEX, WINDOW

WIDER = (1.3, 3.0)
NARROWER = (0.4, 0.75)
"""Factors of the stretch; three in four beats become wider."""
SMALLER = (-1.5, 0.5)
LARGER = (1.5, 2.5)
"""Factors of the QRS complex, negative ones turn it over; six in ten become smaller."""
COMPLEX = (4.0, 14.0)
"""Standard deviation (samples) of the bell within which the complex changes."""
STRANGER = (0.5, 2.0)
"""Size of somebody else's beat; half of them are turned over."""
BUMP = 0.6
"""Largest height of a bump, in units of the QRS size,"""
BUMP_WIDTH = (2.0, 14.0)
BUMP_PLACES = (40.0, 150.0)
"""and its standard deviation and place, in samples."""
FUSION = (0.2, 0.8)
"""Share of the own beat in a fusion."""
FUSED_WIDTH = (1.0, 2.5)
WAYS = 5


def corrupt(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """[n, 187] normalised windows of layout ``centred``; ``share`` of them, drawn at random, made odd."""
    n = len(x)

    def uniform(limits: tuple[float, float]) -> Tensor:
        return torch.rand((n, 1), generator=generator) * (limits[1] - limits[0]) + limits[0]

    def either(share: float, first: Tensor, second: Tensor) -> Tensor:
        return torch.where(torch.rand((n, 1), generator=generator) < share, first, second)

    place = torch.arange(WINDOW, dtype=x.dtype)
    plus, minus = torch.ones(n, 1), -torch.ones(n, 1)
    somebody = x[torch.randperm(n, generator=generator)] * either(0.5, plus, minus) * uniform(STRANGER)
    stretched = stretch(x, either(0.75, uniform(WIDER), uniform(NARROWER)))
    bell = torch.exp(-0.5 * ((place - R_INDEX) / uniform(COMPLEX)) ** 2)
    resized = x * (1 + bell * (either(0.6, uniform(SMALLER), uniform(LARGER)) - 1))
    bumped = x
    for _ in range(2):
        shape = torch.exp(-0.5 * ((place - uniform(BUMP_PLACES)) / uniform(BUMP_WIDTH)) ** 2)
        bumped = bumped + uniform((-BUMP, BUMP)) * shape
    own = uniform(FUSION)
    fused = own * x + (1 - own) * stretch(somebody, uniform(FUSED_WIDTH))
    way = torch.randint(0, WAYS, (n, 1), generator=generator)
    odd = torch.stack((stretched, resized, somebody, bumped, fused))  # [5, n, 187]
    chosen = odd.gather(0, way.expand(n, WINDOW).unsqueeze(0)).squeeze(0)
    return either(share, chosen, x)


def stretch(x: Tensor, factor: Tensor) -> Tensor:
    """[n, 187] stretched in time about the R-peak by ``factor`` [n, 1]; linear between samples, the edge
    repeats."""
    at = (R_INDEX + (torch.arange(WINDOW, dtype=x.dtype) - R_INDEX) / factor).clamp(0, WINDOW - 1)
    low = at.floor().long().clamp(max=WINDOW - 2)
    rest = at - low
    stretched: Tensor = torch.gather(x, 1, low) * (1 - rest) + torch.gather(x, 1, low + 1) * rest
    return stretched
