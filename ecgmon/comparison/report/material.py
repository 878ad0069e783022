"""What a report is made of: experiments, their variants, and the finished cells of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from ecgmon.comparison.results import CellResult

Kind = Literal["table", "scores", "thresholds", "augmentation", "sweep"]
"""What an experiment varies, and so what is drawn of it.

table         methods: losses, ROC curves, score distributions, confusion matrices, examples, latent spaces
scores        ways to read a score off a method
thresholds    ways to choose a threshold
augmentation  varied windows in training, in testing and in both, known by the settings of the cells
sweep         one number, or one choice, step by step: the part of the variants' names that has the number
"""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A finished cell and its arrays, any of which may be missing:

    test_score_READING [n], validation_score_READING [m]    scores; of a large test set a sample
    test_label [n], validation_label [m]                    AAMI letters
    example_x, example_restored [k, 187], example_label [k]
    embedding [e, 2], embedding_label [e]
    """

    result: CellResult
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One row of an experiment before its readings and thresholds are told apart.

    parts    the name's part by axis of the experiment; by default the name cut at ", "
    """

    name: str
    cells: Sequence[Cell]
    parts: Sequence[str] = ()

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(self.parts) or tuple(self.name.split(", "))


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """Variants that are set side by side.

    name        short, for anchors and file names
    title       heading
    note        what was asked and how to read it; plain text, paragraphs parted by an empty line
    reference   variant name to an accuracy published elsewhere, drawn up as the column ``reference_name``
    failed      cells that ended with an error and are in no figure
    left_out    beats of the test recordings that are not tested, by reason and class
    """

    name: str
    title: str
    variants: Sequence[Variant]
    note: str = ""
    kind: Kind = "table"
    reference: Mapping[str, float] = field(default_factory=dict)
    reference_name: str = "tutorial"
    failed: int = 0
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
