"""What ``configs/compare.yaml`` may say beside data sets and methods: experiments, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ecgmon import config
from ecgmon.comparison.datasets import DatasetSettings
from ecgmon.comparison.drawing import DrawSettings
from ecgmon.comparison.ecgmon_method import EcgmonSettings
from ecgmon.config import Settings
from ecgmon.model.methods.build import MethodSettings
from ecgmon.model.thresholds import ThresholdSettings

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Seeds = Annotated[tuple[Annotated[int, Meta(ge=0, le=2**31)], ...], Meta(min_length=1)]
Folds = Annotated[int, Meta(ge=2, le=20)]
Thresholds = Annotated[dict[str, ThresholdSettings], Meta(min_length=1)]
Tree = dict[str, Any]

AnyMethod = MethodSettings | EcgmonSettings


class ExperimentSettings(Settings, frozen=True, kw_only=True):
    """One table: the product of the axes of ``vary`` over ``base`` and, beside it, ``methods`` as they
    stand."""

    title: str = ""
    """Heading of the table."""
    note: str = ""
    """What was asked, and how to read it; stands over the table."""
    kind: Literal["table", "scores", "thresholds", "augmentation", "sweep"] = "table"
    """What is drawn of it."""
    dataset: str
    """One of ``datasets``, by name."""
    draw: DrawSettings = DrawSettings()
    base: Tree = msgspec.field(default_factory=dict)
    """A method, as far as the variants have it in common."""
    vary: list[dict[str, Tree | None]] = msgspec.field(default_factory=list)
    """Axes: variants by name, each with what it changes in ``base`` and, under the key ``draw``, in
    ``draw``. A row is called by its variants' names, empty ones left out."""
    methods: dict[str, Tree] = msgspec.field(default_factory=dict)
    """Rows by name, each a method of its own."""
    reference: dict[str, float] = msgspec.field(default_factory=dict)
    """Accuracies that were published for some of the rows, to be read beside ours."""
    reference_name: str = "published"
    """What the column of those is called."""
    thresholds: Thresholds | None = None
    """This and the next three are the common ones unless named here."""
    seeds: Seeds | None = None
    """As the common ones."""
    folds: Folds | None = None
    """As the common ones."""
    cross: bool | None = None
    """As the common one."""


class CompareSettings(Settings, frozen=True, kw_only=True):
    """A configuration of ``ecgmon compare``."""

    out: str = "runs/compare"
    """Folder of the results; ``--out`` goes before it."""
    workers: Annotated[int, Meta(ge=1, le=256)] = 2
    """Processes, of one thread each."""
    datasets: dict[Name, DatasetSettings]
    """By name: what is learned from and tested on."""
    experiments: Annotated[dict[Name, ExperimentSettings], Meta(min_length=1)]
    thresholds: Thresholds
    """By name; chosen on the validation, applied to the test."""
    beta: Annotated[float, Meta(gt=0, le=10)] = 2.0
    """Of the column F-beta: 2 weighs a missed beat more than a false alarm."""
    seeds: Seeds = (0, 1, 2)
    """Each row is trained once with each."""
    folds: Folds = 3
    """Groups of the training patients: each validates once, and the others are learned from."""
    cross: bool = False
    """Every seed with every fold; false: the first with the first, the second with the second, and so on."""


def load(path: Path) -> CompareSettings:
    """Read a configuration; :class:`ConfigError` with file and key where it is wrong."""
    return convert(config.load(path, dict[str, Any]), str(path))


def convert(tree: Tree, where: str) -> CompareSettings:
    """Plain data as settings. Each entry is looked at by itself first, so that an error names it."""
    kinds: dict[str, Any] = {
        "datasets": DatasetSettings, "experiments": ExperimentSettings, "thresholds": ThresholdSettings,
    }  # fmt: skip
    for part, kind in kinds.items():
        entries = tree.get(part)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            config.convert(entry, kind, where=f"{where}: {part}.{name}")
    return config.convert(tree, CompareSettings, where=where)
