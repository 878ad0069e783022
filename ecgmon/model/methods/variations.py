"""Windows changed in ways that leave a normal beat normal, or nearly so: for training and for scoring.

The names are those of image augmentation, which the experiments took them from; what they do to a beat:

    crop        slides the window up to 10 samples either way, the edge repeated
    contrast    gain between 1/1.3 and 1.3 (automatic contrast, an amplifier's)
    rotation    tilts the line that the beat stands on, 0.3 from end to end at most
    blur        a Gaussian of 0.5 to 3 samples
    solarise    what lies above a level, in the upper half of the window's range, is folded down
    flip        turned over in time, in polarity or in both

Windows of the layout ``kachuee``, 0..1 but for a rounding in somebody's file, stay there: gain and tilt are
cut off at 0 and 1, and the opposite polarity of x is 1 - x. Their zero padding is varied with the beat:
tilted, or turned to the front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.methods.base import Floats, Reading, Variation, seen

SHIFT = 10
GAIN = 1.3
TILT = 0.3
BLUR = (0.5, 3.0)
REACH = 9
"""Samples that the widest blur looks at to either side, three standard deviations."""
LEVEL = (0.5, 0.95)
"""Of the window's range, where it is folded."""
CHUNK = 1024
HALF = 0.5


def vary(
    x: Tensor,
    variations: Sequence[Variation],
    generator: torch.Generator,
    *,
    unit: bool,
    share: float = 1.0,
) -> Tensor:
    """[n, 187] windows with each of ``variations``, in the order given, applied to ``share`` of them.

    Each window has draws of its own. ``unit``: windows are 0..1, and so are the results.
    """
    for name in variations:
        changed = WAYS[name](x, generator, unit)
        if share < 1.0:
            changed = torch.where(torch.rand((len(x), 1), generator=generator) < share, changed, x)
        x = changed
    return x


def averaged(
    score: Callable[[Samples], Floats], x: Samples, reading: Reading, seed: int, *, unit: bool
) -> Floats:
    """Scores [n] of windows [n, 187]: the mean over ``reading.draws`` varied copies and the window itself.

    Without variations, the plain score. A window's draws depend on its place in ``x``. ``score`` is given
    windows, varied ones too, as :func:`~ecgmon.model.methods.base.seen` leaves them.
    """
    x = seen(x)
    total = score(x)
    if not (reading.augmentation and len(x)):
        return total
    generator = torch.Generator().manual_seed(seed)
    for _ in range(reading.draws):
        parts = [
            vary(torch.from_numpy(x[i : i + CHUNK]), reading.augmentation, generator, unit=unit).numpy()
            for i in range(0, len(x), CHUNK)
        ]
        total = total + score(seen(np.concatenate(parts)))
    return total / (1 + reading.draws)


def shift(x: Tensor, by: Tensor) -> Tensor:
    """[n, 187] moved ``by`` [n, 1] samples to the left, the edge repeated."""
    return torch.gather(x, 1, (torch.arange(WINDOW) + by).clamp(0, WINDOW - 1))


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """[n, 187] with a Gaussian of ``sigma`` [n, 1] samples run over it, the edges repeated."""
    place = torch.arange(-REACH, REACH + 1, dtype=x.dtype)
    weights = torch.exp(-0.5 * (place / sigma).square())
    weights = weights / weights.sum(dim=1, keepdim=True)  # [n, 19]
    around = functional.pad(x.unsqueeze(1), (REACH, REACH), mode="replicate")[:, 0].unfold(
        1, 2 * REACH + 1, 1
    )
    return torch.bmm(around, weights.unsqueeze(2))[:, :, 0]


def solarise(x: Tensor, level: Tensor) -> Tensor:
    """[n, 187] with what exceeds ``level`` [n, 1] of the window's own range folded down there."""
    low, high = x.amin(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
    fold = low + level * (high - low)
    return torch.minimum(x, 2 * fold - x)


def flip(x: Tensor, time: Tensor, polarity: Tensor, *, unit: bool) -> Tensor:
    """[n, 187] turned over where ``time`` and ``polarity``, [n, 1] of bool, say so."""
    x = torch.where(time, x.flip(1), x)
    return torch.where(polarity, 1 - x if unit else -x, x)


def _uniform(n: int, limits: tuple[float, float], generator: torch.Generator) -> Tensor:
    return torch.rand((n, 1), generator=generator) * (limits[1] - limits[0]) + limits[0]


def _bounded(x: Tensor, unit: bool) -> Tensor:
    return x.clamp(0.0, 1.0) if unit else x


def _crop(x: Tensor, generator: torch.Generator, _: bool) -> Tensor:
    return shift(x, torch.randint(-SHIFT, SHIFT + 1, (len(x), 1), generator=generator))


def _contrast(x: Tensor, generator: torch.Generator, unit: bool) -> Tensor:
    return _bounded(x * GAIN ** _uniform(len(x), (-1.0, 1.0), generator), unit)


def _rotation(x: Tensor, generator: torch.Generator, unit: bool) -> Tensor:
    return _bounded(
        x + torch.linspace(-HALF, HALF, WINDOW) * _uniform(len(x), (-TILT, TILT), generator), unit
    )


def _blur(x: Tensor, generator: torch.Generator, unit: bool) -> Tensor:
    return _bounded(blur(x, _uniform(len(x), BLUR, generator)), unit)


def _solarise(x: Tensor, generator: torch.Generator, unit: bool) -> Tensor:
    return _bounded(solarise(x, _uniform(len(x), LEVEL, generator)), unit)


def _flip(x: Tensor, generator: torch.Generator, unit: bool) -> Tensor:
    way = torch.randint(0, 3, (len(x), 1), generator=generator)  # time, polarity, both
    return flip(x, way != 1, way != 0, unit=unit)


WAYS: dict[Variation, Callable[[Tensor, torch.Generator, bool], Tensor]] = {
    "crop": _crop,
    "contrast": _contrast,
    "rotation": _rotation,
    "blur": _blur,
    "solarise": _solarise,
    "flip": _flip,
}
