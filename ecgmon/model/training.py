"""Training an autoencoder on normal beats.

AdamW, a cosine schedule with warm-up, clipped gradients, early stopping on patients that are not trained on;
the weights of the best epoch are kept. The same seed, data and machine give the same weights to the bit.
After each epoch the whole state goes to a file, so that an interrupted run ends where an uninterrupted one
would have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from tqdm import tqdm

from ecgmon.ecg.types import WINDOW, Layout
from ecgmon.errors import DataError
from ecgmon.model import checkpoint
from ecgmon.model.autoencoders import Architecture, Autoencoder
from ecgmon.model.dataset import Pairs
from ecgmon.model.devices import pick
from ecgmon.model.epochs import Data, History, Run, TrainingSettings
from ecgmon.model.reproducible import reproducible

__all__ = ["History", "TrainingSettings", "train"]


def train(
    architecture: Architecture,
    settings: TrainingSettings,
    pairs: Pairs,
    validation: Pairs,
    *,
    layout: Layout,
    seed: int,
    state: Path | None = None,
    resume: bool = False,
    progress: bool = True,
    after_epoch: Callable[[History], None] | None = None,
) -> tuple[Autoencoder, History]:
    """Train on ``pairs`` of windows and references, stop by those for ``validation``.

    Returns the weights of the best epoch, on the CPU, and the course of the training.

    ``state`` is written after each epoch; with ``resume`` the run goes on from it, and from the start where
    there is none. ``progress`` draws a bar on stderr. Raises :class:`DataError` for windows that are empty or
    not finite, and :class:`EcgmonError` when the loss is no number any more, or ``state`` belongs to another
    run.
    """
    _check(pairs, "training")
    _check(validation, "validation")
    device = pick(settings.device)
    with reproducible(seed):
        data = Data(pairs, validation, layout, seed)
        run = Run(architecture, settings, data, device)
        identity = _identity(architecture, settings, data)
        if state is not None and resume and state.exists():
            run.restore(checkpoint.load(state, identity))
        bar = tqdm(
            total=settings.epochs,
            initial=run.history.epochs,
            desc="training",
            unit="epoch",
            disable=not progress,
        )
        with bar:
            while not run.over:
                run.epoch()
                bar.set_postfix(
                    loss=f"{run.history.train[-1]:.4f}", validation=f"{run.history.validation[-1]:.4f}"
                )
                bar.update()
                if state is not None:
                    checkpoint.save(state, run.snapshot(), identity)
                if after_epoch is not None:
                    after_epoch(run.history)
    run.model.load_state_dict(run.best)
    return run.model.cpu().eval(), run.history


def _identity(architecture: Architecture, settings: TrainingSettings, data: Data) -> str:
    """A hash of all that decides the result: a state from another run must not be gone on from."""
    sizes = [len(data.pairs), len(data.validation)]
    digest = hashlib.sha256(msgspec.json.encode([architecture, settings, data.layout, data.seed, sizes]))
    for pairs in (data.pairs, data.validation):
        digest.update(np.ascontiguousarray(pairs.x).data)
        digest.update(np.ascontiguousarray(pairs.reference).data)
    return digest.hexdigest()


def _check(pairs: Pairs, part: str) -> None:
    if pairs.x.ndim != 2 or pairs.x.shape[1] != WINDOW or pairs.x.shape != pairs.reference.shape:
        raise DataError(f"{part}: windows of shape {pairs.x.shape}, expected [n, {WINDOW}]")
    if not len(pairs):
        raise DataError(
            f"{part}: no normal beat of good quality; name more recordings, or check lead and annotations"
        )
    bad = ~(np.isfinite(pairs.x) & np.isfinite(pairs.reference)).all(axis=1)
    if bad.any():
        raise DataError(f"{part}: {int(bad.sum())} window(s) hold values that are not finite")
