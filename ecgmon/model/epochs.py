"""One epoch after another: the steps of a training, and everything that they change."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional

from ecgmon.config import Settings
from ecgmon.ecg.types import WINDOW, Layout
from ecgmon.errors import EcgmonError
from ecgmon.model import checkpoint
from ecgmon.model.augmentation import AugmentationSettings, augment
from ecgmon.model.autoencoders import Architecture, build
from ecgmon.model.corruption import corrupt
from ecgmon.model.dataset import Pairs
from ecgmon.model.devices import Device
from ecgmon.model.schedule import rate_at

EVALUATION_BATCH = 1024


class TrainingSettings(Settings, frozen=True):
    """How the autoencoder learns."""

    epochs: Annotated[int, Meta(ge=1, le=10_000, description="passes over the data, at most")] = 15
    batch: Annotated[int, Meta(ge=1, le=65_536, description="windows a step")] = 256
    learning_rate: Annotated[float, Meta(gt=0, le=1, description="at the top of the schedule")] = 2e-3
    weight_decay: Annotated[float, Meta(ge=0, le=1, description="of AdamW")] = 1e-4
    warmup_epochs: Annotated[float, Meta(ge=0, le=1000, description="until the top of the schedule")] = 1.0
    clip_norm: Annotated[float, Meta(gt=0, description="longest gradient vector")] = 1.0
    patience: Annotated[int, Meta(ge=1, description="epochs without a better validation loss: stop")] = 8
    loss: Literal["mse", "huber"] = "mse"
    """huber: linear in large errors."""
    max_beats_per_patient: Annotated[int, Meta(ge=1)] | None = 500
    """Drawn by seed where a patient has more; null takes all."""
    device: Device = "auto"
    """auto: the GPU where there is one."""
    augmentation: AugmentationSettings = AugmentationSettings()


@dataclass(slots=True)
class History:
    """Losses per epoch; ``best`` is the one of the lowest validation loss, from 1; 0 before the first."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: int = 0

    @property
    def epochs(self) -> int:
        return len(self.train)


class Data(NamedTuple):
    """What a training works on."""

    pairs: Pairs
    validation: Pairs
    layout: Layout
    seed: int


class Run:
    """Everything that an epoch changes."""

    def __init__(
        self, architecture: Architecture, settings: TrainingSettings, data: Data, device: torch.device
    ) -> None:
        self.settings = settings
        self.layout = data.layout
        self.device = device
        self.x = torch.from_numpy(data.pairs.x)
        self.reference = torch.from_numpy(data.pairs.reference)
        clean = torch.from_numpy(data.validation.x)
        seen = clean
        if data.layout == "centred":
            drawn = torch.Generator().manual_seed(data.seed)  # the same ones in every epoch
            seen = corrupt(clean, settings.augmentation.odd, drawn)
        self.validation = tuple(
            part.to(device) for part in (seen, torch.from_numpy(data.validation.reference), clean)
        )
        # Order, augmentation and latent draws come from a CPU generator whatever the device.
        self.generator = torch.Generator().manual_seed(data.seed)
        self.model = build(architecture).to(device)
        self.kl_weight = architecture.kl_weight
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.history = History()
        self.best = copy.deepcopy(self.model.state_dict())

    @property
    def over(self) -> bool:
        h = self.history
        return h.epochs >= self.settings.epochs or h.epochs - h.best >= self.settings.patience

    def epoch(self) -> None:
        """Once through the windows in a new order, then the validation loss."""
        h = self.history
        h.train.append(self._train())
        h.validation.append(self._validate())
        if not (math.isfinite(h.train[-1]) and math.isfinite(h.validation[-1])):
            raise EcgmonError(
                f"training: the loss in epoch {h.epochs} is no number any more; lower "
                f"training.learning_rate (now {self.settings.learning_rate:g}) or training.clip_norm "
                f"(now {self.settings.clip_norm:g})"
            )
        if h.best == 0 or h.validation[-1] < h.validation[h.best - 1]:
            h.best = h.epochs
            self.best = copy.deepcopy(self.model.state_dict())

    def _train(self) -> float:
        self.model.train()
        s = self.settings
        order = torch.randperm(len(self.x), generator=self.generator)
        batches = torch.split(order, s.batch)
        total = torch.zeros((), device=self.device)
        for i, rows in enumerate(batches):
            batch = augment(self.x[rows], self.reference[rows], s.augmentation, self.layout, self.generator)
            rate = rate_at(
                self.history.epochs + i / len(batches),
                epochs=s.epochs,
                warmup=s.warmup_epochs,
                highest=s.learning_rate,
            )
            total += self._step(*(part.to(self.device) for part in batch), rate=rate) * len(rows)
        return float(total) / len(self.x)

    def _step(self, damaged: Tensor, reference: Tensor, clean: Tensor, *, rate: float) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        drawn, kl = self.model.forward_training(damaged, self.generator, reference)
        error = (
            functional.mse_loss(drawn, clean)
            if self.settings.loss == "mse"
            else functional.huber_loss(drawn, clean)
        )
        loss = error + self.kl_weight * kl.mean() / WINDOW
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        return loss.detach()

    def _validate(self) -> float:
        """Mean squared error, whatever the training loss; as many windows are made odd as in training."""
        self.model.eval()
        total = 0.0
        with torch.inference_mode():
            parts = (torch.split(part, EVALUATION_BATCH) for part in self.validation)
            for seen, reference, clean in zip(*parts, strict=True):
                total += float(functional.mse_loss(self.model(seen, reference)[0], clean)) * len(seen)
        return total / len(self.validation[0])

    def snapshot(self) -> checkpoint.State:
        """All of it, for a file."""
        return checkpoint.State(
            model=self.model.state_dict(),
            best=self.best,
            optimizer=self.optimizer.state_dict()["state"],
            random={"own": self.generator.get_state(), **_random_states()},
            progress=checkpoint.Progress(
                train=self.history.train, validation=self.history.validation, best=self.history.best
            ),
        )

    def restore(self, state: checkpoint.State) -> None:
        """As :meth:`snapshot` found it."""
        self.model.load_state_dict(state.model)
        self.best = {name: value.to(self.device) for name, value in state.best.items()}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state.optimizer, "param_groups": groups})
        self.generator.set_state(state.random["own"])
        torch.set_rng_state(state.random["cpu"])
        if "cuda" in state.random and self.device.type == "cuda":
            torch.cuda.set_rng_state(state.random["cuda"])
        p = state.progress
        self.history = History(train=list(p.train), validation=list(p.validation), best=p.best)


def _random_states() -> dict[str, Tensor]:
    """torch's own generators, which dropout draws from."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states["cuda"] = torch.cuda.get_rng_state()
    return states
