"""The state of a training between two epochs, as one file: arrays and JSON, written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from ecgmon.errors import EcgmonError
from ecgmon.model import tensorfile

SCHEMA = "ecgmon.training/1"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Losses per finished epoch, and the best one, counted from 1."""

    train: list[float]
    validation: list[float]
    best: int


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a training needs to go on.

    model, best     weights by name, now and of the best epoch
    optimizer       for each parameter by its place, the optimizer's tensors by name
    random          states of the random generators by name
    """

    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    random: dict[str, Tensor]
    progress: Progress


class _Text(msgspec.Struct, frozen=True, kw_only=True):
    schema: str
    identity: str
    progress: Progress


def save(path: Path, state: State, identity: str) -> None:
    """Write ``state``; ``identity`` names the run it belongs to."""
    tensors = {f"model.{k}": v for k, v in state.model.items()}
    tensors |= {f"best.{k}": v for k, v in state.best.items()}
    tensors |= {f"optimizer.{i}.{k}": v for i, part in state.optimizer.items() for k, v in part.items()}
    tensors |= {f"random.{k}": v for k, v in state.random.items()}
    text = msgspec.json.encode(_Text(schema=SCHEMA, identity=identity, progress=state.progress)).decode()
    data, _ = tensorfile.pack(text, {name: t.detach().cpu().numpy() for name, t in tensors.items()})
    tensorfile.write(path, data)


def load(path: Path, identity: str) -> State:
    """Read a state. Raises :class:`EcgmonError` when it is damaged, or of another run."""
    text, arrays, _ = tensorfile.unpack(tensorfile.read(path), str(path))
    try:
        known = msgspec.json.decode(text, type=_Text)
    except msgspec.MsgspecError:
        raise EcgmonError(f"{path}: not the state of a training; delete it to train from the start") from None
    if known.schema != SCHEMA or known.identity != identity:
        raise EcgmonError(
            f"{path}: belongs to a training with other settings or data; delete it, or train without --resume"
        )
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    optimizer: dict[int, dict[str, Tensor]] = {}
    for key, value in _part(tensors, "optimizer").items():
        place, _, name = key.partition(".")
        optimizer.setdefault(int(place), {})[name] = value
    return State(
        model=_part(tensors, "model"),
        best=_part(tensors, "best"),
        optimizer=optimizer,
        random=_part(tensors, "random"),
        progress=known.progress,
    )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
