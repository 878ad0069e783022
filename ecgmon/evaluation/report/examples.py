"""Beats that the threshold gets wrong: which of them are shown.

Of each group (missed V, missed S, flagged N, ...) the most extreme ones and a sample of fixed seed, spread
over the recordings, so that one bad patient does not fill the page. What is kept is bounded per recording
already: windows of a whole database would not fit into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.ecg.types import Layout, Samples
from ecgmon.evaluation.matching import match
from ecgmon.evaluation.tally import LEARNING, TOLERANCES, Scored

EXTREME: Final = 4
"""Of each group, as many of the most extreme beats are shown."""

DRAWN: Final = 4
"""Of each group, as many are drawn at random."""

SEED: Final = 20011

UNCOUNTED: Final = "-"
"""Beats of the learning time and of flutter."""

GROUPS: Final = {
    **{f"missed-{name}": name for name in (*ANOMALOUS, "?")},
    "false-N": "N",
    "false-none": "",
}
"""Group to the class of its beats: missed ones are anomalous and not flagged, false ones the reverse. ``?``
is an anomalous beat of unknown class, "" a detection that no annotation belongs to."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One beat to be drawn.

    record          where it is from, "" for a file of windows
    place           where in it, for people: ``12:34.5`` or ``row 17``
    label           its AAMI class, ``?`` for any that is not N, "" where there is no annotation
    parts           evidence by name, as the score gives it
    window          [187] what was judged: mV, or 0..1 in the layout ``kachuee``
    reconstruction  [187] what the autoencoder made of it
    reference       [187] the patient's own usual beat, or None
    """

    record: str
    place: str
    score: float
    p_value: float
    parts: Mapping[str, float]
    window: Samples
    reconstruction: Samples
    reference: Samples | None = None
    layout: Layout = "centred"
    label: str = ""


@dataclass(slots=True)
class Group:
    """Candidates of one group by recording, most extreme and drawn first; ``n`` is how many there were."""

    n: int = 0
    extreme: list[list[Example]] = field(default_factory=list)
    drawn: list[list[Example]] = field(default_factory=list)

    def chosen(self, key: str) -> list[tuple[str, Example]]:
        """What is shown of group ``key``, each with why: ``extreme`` or ``random``."""
        sign = 1.0 if key.startswith("missed") else -1.0
        first = list(_spread(self.extreme, lambda round_: sorted(round_, key=lambda e: sign * e.score)))[
            :EXTREME
        ]
        known = {(example.record, example.place) for example in first}
        rng = np.random.default_rng([SEED, *key.encode()])
        lists = [self.drawn[i] for i in rng.permutation(len(self.drawn))]
        others = [e for e in _spread(lists, list) if (e.record, e.place) not in known]
        return [("extreme", e) for e in first] + [("random", e) for e in others[:DRAWN]]


def classes(record: Scored, learning: float = LEARNING) -> NDArray[np.str_]:
    """Class [m] of each detected beat, as :func:`~ecgmon.evaluation.tally.tally` counts it: that of its
    annotation, "" where there is none, :data:`UNCOUNTED` in the learning time and in flutter."""
    partner = match(record.truth.t, record.t, TOLERANCES[0]).detected
    paired = partner >= 0
    label = np.full(len(record.t), "", dtype="U1")
    label[paired] = record.truth.label[partner[paired]]
    when = record.t.copy()
    when[paired] = record.truth.t[partner[paired]]
    label[(when < learning) | record.truth.in_flutter(when)] = UNCOUNTED
    return label


def collect(
    groups: dict[str, Group],
    name: str,
    label: NDArray[np.str_],
    score: NDArray[np.float64],
    odd: NDArray[np.bool_],
    example: Callable[[int], Example],
) -> None:
    """Add the wrongly judged beats of recording ``name`` to ``groups``.

    ``label``, ``score`` (NaN: not scored) and ``odd`` [m] are those of its beats; ``example`` makes beat i
    ready to be drawn and is asked for a few of them only; their label is set here.
    """
    for key, wanted in GROUPS.items():
        missed = key.startswith("missed")
        found = np.flatnonzero((label == wanted) & np.isfinite(score) & (odd != missed))
        if not len(found):
            continue
        order = found[np.argsort(score[found] if missed else -score[found], kind="stable")]
        rng = np.random.default_rng([SEED, *name.encode(), *key.encode()])
        drawn = rng.permutation(found)[: EXTREME + DRAWN]
        group = groups.setdefault(key, Group())
        group.n += len(found)
        group.extreme.append([replace(example(int(i)), label=wanted) for i in order[:EXTREME]])
        group.drawn.append([replace(example(int(i)), label=wanted) for i in drawn])


def _spread(
    by_record: Sequence[Sequence[Example]], order: Callable[[list[Example]], list[Example]]
) -> Iterator[Example]:
    """One of each recording, in ``order``, then the second of each, and so on."""
    for round_ in zip_longest(*by_record):
        yield from order([example for example in round_ if example is not None])
