"""The model bundle: one file with everything that scoring needs, and nothing that runs.

Tensors by name: ``autoencoder.*`` (weights), ``scoring.*`` (what the score is relative to), ``calibration.*``
and ``window_calibration.*`` (from score to p-value). Metadata as JSON: the architecture, the window and
preprocessing it was trained for, calibration, training data, versions. A bundle that was altered, or was made
for another window or frontend, is refused, since its scores would be numbers without meaning.

Nothing in a bundle depends on the clock: training twice from the same seed on the same machine gives the same
file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType
from numpy.typing import NDArray

from ecgmon.ecg.frontend import fingerprint
from ecgmon.ecg.types import Layout, ModelRef
from ecgmon.errors import BundleError
from ecgmon.model import oddness, tensorfile
from ecgmon.model.autoencoders import Architecture, Autoencoder, build
from ecgmon.model.calibration import CalibrationInfo
from ecgmon.model.oddness import ScoreSettings
from ecgmon.model.tensorfile import Tensors
from ecgmon.model.weights import load_weights, weights

SCHEMA = "ecgmon.bundle/1"
DEFAULT = "default"

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class DataInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the model learned from.

    ``split_by`` is ``row`` where the data names no patients. With ``folds`` above 0 the patients of train and
    calibration are the same: each was judged by a model that others trained. ``calibration_source`` is unset
    where the calibration comes from ``source`` too.
    """

    source: str
    lead: str
    split_by: str
    folds: int = 0
    train: list[str] = []
    validation: list[str] = []
    calibration: list[str] = []
    calibration_source: str | UnsetType = UNSET
    train_beats: int
    validation_beats: int
    calibration_beats: int


class TrainingInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How the training went; losses are per epoch."""

    seed: int
    epochs: int
    best_epoch: int
    train_loss: list[float]
    validation_loss: list[float]
    settings: dict[str, Any]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a model that is not an array."""

    schema: str = SCHEMA
    name: Name
    version: str
    """Of ecgmon, when it was trained."""
    layout: Layout
    fingerprint: str
    """Of the frontend that cut the windows."""
    architecture: Architecture
    data: DataInfo
    training: TrainingInfo
    calibration: CalibrationInfo | None = None
    """Of beats in streams; None for a model that was trained on windows without patients."""
    window_calibration: CalibrationInfo | None = None
    """Of single windows, by reconstruction error alone."""
    scoring: str = ""
    """Fingerprint of the score that the calibration was made with."""
    score: ScoreSettings = ScoreSettings()
    """What the score is made of."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model in memory. Not to be changed; make another with :func:`dataclasses.replace`."""

    metadata: Metadata
    tensors: Tensors = field(repr=False)
    hash: str = field(init=False)
    """SHA-256 in hex over tensors and metadata."""
    _data: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        data, digest = tensorfile.pack(msgspec.json.encode(self.metadata).decode(), self.tensors)
        object.__setattr__(self, "_data", data)
        object.__setattr__(self, "hash", digest)

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def layout(self) -> Layout:
        return self.metadata.layout

    @property
    def ref(self) -> ModelRef:
        return ModelRef(name=self.name, hash=self.hash)

    def part(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The tensors whose names begin with ``prefix`` and a dot, by the rest of the name."""
        start = f"{prefix}."
        return {name.removeprefix(start): t for name, t in self.tensors.items() if name.startswith(start)}

    def autoencoder(self) -> Autoencoder:
        """The autoencoder with its weights, on the CPU, ready to score."""
        model = build(self.metadata.architecture)
        load_weights(model, self.part("autoencoder"), where=f"bundle '{self.name}'")
        return model.eval()

    def save(self, path: str | Path) -> None:
        """Write the bundle, whole or not at all."""
        tensorfile.write(Path(path), self._data)


def load(path: str | Path, *, layout: Layout | None = None) -> Bundle:
    """Read a bundle from a file, or the one in the package for ``"default"``.

    Raises :class:`BundleError` when it cannot be read, was altered, was made for another frontend, or, with
    ``layout`` given, for another window layout.
    """
    if str(path) == DEFAULT:
        with resources.as_file(resources.files("ecgmon.model") / "default.safetensors") as packaged:
            return _load(packaged, layout)
    return _load(Path(path), layout)


def _load(path: Path, layout: Layout | None) -> Bundle:
    text, tensors, digest = tensorfile.unpack(tensorfile.read(path), str(path))
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise BundleError(f"{path}: schema '{schema}', and this program reads '{SCHEMA}'; train it again")
        metadata = msgspec.json.decode(text, type=Metadata)
    except msgspec.MsgspecError as error:
        raise BundleError(
            f"{path}: metadata that this program does not know ({error}); train it again"
        ) from None
    if metadata.fingerprint != fingerprint():
        raise BundleError(
            f"{path}: trained behind another frontend ({metadata.fingerprint}, here {fingerprint()}); "
            "train it again with this version"
        )
    if metadata.scoring != oddness.fingerprint():
        raise BundleError(
            f"{path}: calibrated for another score ({metadata.scoring or 'unknown'}, here "
            f"{oddness.fingerprint()}); train it again with this version"
        )
    if layout is not None and metadata.layout != layout:
        raise BundleError(f"{path}: made for windows of layout '{metadata.layout}', not '{layout}'")
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise BundleError(f"{path}: tensor '{name}' holds values that are not finite; train it again")
    bundle = Bundle(metadata, tensors)
    # The file's own digest, which was verified; packed again, fields newer than the file would change it.
    object.__setattr__(bundle, "hash", digest)
    return bundle


class _Schema(msgspec.Struct):
    schema: str


def assemble(metadata: Metadata, model: Autoencoder, **parts: dict[str, NDArray[Any]]) -> Bundle:
    """A bundle of a trained autoencoder and named groups of tensors, ``scoring={...}, calibration={...}``."""
    tensors: Tensors = {f"autoencoder.{name}": value for name, value in weights(model).items()}
    for prefix, group in parts.items():
        tensors |= {f"{prefix}.{name}": value for name, value in group.items()}
    return Bundle(metadata, tensors)
