"""The training of a compared network: AdamW with warm-up and a cosine, clipped gradients, early stopping.

The schedule is that of the shipped model's training (:mod:`ecgmon.model.epochs`), which besides learns from
pairs with a reference beat, goes on after an interruption and runs on any device. The same seed, windows and
machine give the same weights to the bit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.errors import DataError, EcgmonError
from ecgmon.model.epochs import History
from ecgmon.model.methods.base import Learning, Variation
from ecgmon.model.methods.networks import Network, build
from ecgmon.model.methods.sizes import NetworkSettings
from ecgmon.model.methods.variations import vary
from ecgmon.model.reproducible import reproducible
from ecgmon.model.schedule import rate_at

Loss = Literal["mse", "l1", "huber"]

CLIP_NORM = 1.0
CHUNK = 1024
VARIED = 0.5
"""Share of windows that each variation is applied to."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a network learns; :class:`AutoencoderSettings` explains the fields."""

    epochs: int
    batch: int
    learning_rate: float
    warmup_epochs: float
    weight_decay: float
    patience: int
    loss: Loss
    huber_delta: float
    kl_weight: float
    noise: float
    augmentation: tuple[Variation, ...]


def loss_of(course: Course) -> Callable[[Tensor, Tensor], Tensor]:
    """Restored and clean windows [n, 187] to the mean loss."""
    match course.loss:
        case "mse":
            return functional.mse_loss
        case "l1":
            return functional.l1_loss
        case "huber":
            return partial(functional.huber_loss, delta=course.huber_delta)


def train(
    settings: NetworkSettings, course: Course, learning: Learning, seed: int
) -> tuple[Network, History]:
    """A network with the weights of its best epoch, and the losses by epoch.

    The losses are the reconstruction's, without the KL term; the validation windows are neither varied nor
    noisy, as scoring will see them. Raises :class:`DataError` for windows that are too few or not finite and
    :class:`EcgmonError` when the loss is no number any more.
    """
    check(learning.train, "training", least=2)
    check(learning.validation, "validation", least=1)
    with reproducible(seed):
        run = _Run(build(settings, gaussian=course.kl_weight > 0), course, learning, seed)
        while not run.over:
            run.epoch()
    run.network.load_state_dict(run.best)
    return run.network.eval(), run.history


def check(x: Samples, part: str, *, least: int) -> None:
    """Raise :class:`DataError` unless ``x`` is [n, 187] with n at least ``least``, and finite."""
    if x.ndim != 2 or x.shape[1] != WINDOW:
        raise DataError(f"{part}: windows of shape {x.shape}, expected [n, {WINDOW}]")
    if len(x) < least:
        raise DataError(f"{part}: {len(x)} window(s), at least {least} are needed; name more recordings")
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise DataError(f"{part}: {int(bad.sum())} window(s) hold values that are not finite")


def batches(n: int, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The numbers below ``n`` in a new order, in parts of ``size`` or a little more: never a small last one,
    which batch normalisation could not do with."""
    return torch.tensor_split(torch.randperm(n, generator=generator), max(1, n // size))


class _Run:
    """Everything that an epoch changes."""

    def __init__(self, network: Network, course: Course, learning: Learning, seed: int) -> None:
        self.network = network
        self.course = course
        self.loss = loss_of(course)
        self.x = torch.tensor(learning.train)  # a copy: the array may be read-only
        self.validation = torch.tensor(learning.validation)
        self.unit = learning.unit
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.AdamW(
            (p for p in network.parameters() if p.requires_grad),
            lr=course.learning_rate,
            weight_decay=course.weight_decay,
        )
        self.history = History()
        self.best = copy.deepcopy(network.state_dict())

    @property
    def over(self) -> bool:
        h = self.history
        return h.epochs >= self.course.epochs or h.epochs - h.best >= self.course.patience

    def epoch(self) -> None:
        """Once through the windows in a new order, then the validation loss."""
        h = self.history
        h.train.append(self._train())
        h.validation.append(self._validate())
        if not (math.isfinite(h.train[-1]) and math.isfinite(h.validation[-1])):
            raise EcgmonError(
                f"training: the loss in epoch {h.epochs} is no number any more; lower learning_rate "
                f"(now {self.course.learning_rate:g})"
            )
        if h.best == 0 or h.validation[-1] < h.validation[h.best - 1]:
            h.best = h.epochs
            self.best = copy.deepcopy(self.network.state_dict())

    def _train(self) -> float:
        self.network.train()
        course = self.course
        total = 0.0
        parts = batches(len(self.x), course.batch, self.generator)
        for i, rows in enumerate(parts):
            clean = vary(self.x[rows], course.augmentation, self.generator, unit=self.unit, share=VARIED)
            seen = clean
            if course.noise:
                seen = clean + course.noise * torch.randn(clean.shape, generator=self.generator)
            rate = rate_at(
                self.history.epochs + i / len(parts),
                epochs=course.epochs,
                warmup=course.warmup_epochs,
                highest=course.learning_rate,
            )
            total += self._step(seen, clean, rate) * len(rows)
        return total / len(self.x)

    def _step(self, seen: Tensor, clean: Tensor, rate: float) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        restored, kl = self.network.forward_training(seen, self.generator)
        error = self.loss(restored, clean)
        whole = error + self.course.kl_weight * kl.mean() / WINDOW
        whole.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimizer.step()
        return float(error.detach())

    def _validate(self) -> float:
        self.network.eval()
        total = 0.0
        with torch.inference_mode():
            for part in torch.split(self.validation, CHUNK):
                total += float(self.loss(self.network(part)[0], part)) * len(part)
        return total / len(self.validation)
