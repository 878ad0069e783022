"""What one stream's baseline remembers, as one array of floats, and how it rests between batches: packed.

What is learned when stands in :mod:`ecgmon.model.learning`, what a beat scores against it in
:mod:`ecgmon.model.oddness`. The references that beats are restored with are *snapshots*, renewed at fixed
counts of beats: all beats up to the next renewal can be restored in one batch, and the scores do not depend
on how beats were batched.

The array has room for everything that a baseline can ever hold, never all at once: starters before there is a
reference, a candidate before there is a second one. Packed is what can still matter, a fourth of it, in the
bytes that are stored as well. The rest is zeros when it is unpacked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Final, Self

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.errors import DataError
from ecgmon.model.parts import Floats, K

BOOT: Final = 16
"""Beats before there is a reference."""
STARTERS: Final = 5
"""The least odd of them, whose median starts it."""
EARLY: Final = 8
OFTEN: Final = 32
"""The snapshots are renewed after 16, 24 and 32 beats, and then every 32."""

LATELY: Final = 16
"""Beats whose z-values are kept, a ring for each part."""

VERSION: Final = 3
"""Of the layout below."""

# Scalars.
V_VERSION: Final = 0
V_SEEN: Final = 1
"""Good beats so far."""
V_ACCEPTED: Final = 2
"""Those that the baseline learned from."""
V_SHARE: Final = 3
"""Running share of accepted beats."""
V_LEVEL: Final = 4
"""Running median of accepted beats' plain scores."""
V_SECOND: Final = 5
"""1 when there is a second reference."""
V_SHOWN: Final = 6
"""1 when its snapshot is in use."""
V_OF_SECOND: Final = 7
"""Accepted beats that lie on the second reference."""
V_CANDIDATES: Final = 8
"""Beats behind the candidate for it."""
V_DENSITY: Final = 9
"""Running share of beats that lie on the candidate."""

V_IDLE: Final = 10
"""Beats since one was learned that lies on the second reference."""

# Arrays: where each begins.
A_LOCATION: Final = 11
A_SPREAD: Final = A_LOCATION + K
A_REFERENCES: Final = A_SPREAD + K
A_SNAPSHOTS: Final = A_REFERENCES + 2 * WINDOW
A_CANDIDATE: Final = A_SNAPSHOTS + 2 * WINDOW
A_FIRST: Final = A_CANDIDATE + WINDOW
A_ODDNESS: Final = A_FIRST + STARTERS * WINDOW
A_LATELY: Final = A_ODDNESS + STARTERS
SIZE: Final = A_LATELY + K * LATELY


@cache
def _fresh() -> bytes:
    state, packed = np.zeros(SIZE), np.empty(SIZE)
    state[V_VERSION] = VERSION
    state[V_SHARE] = 1.0
    return packed[: pack(state, packed)].tobytes()


@dataclass(slots=True, eq=False)
class Baseline:
    """One stream's baseline; 4 KB, 8 KB while it begins, 7 KB with two references. Hand the same object in
    with each of its beats.

    ``raw`` is the state packed, little-endian, 8 bytes a number.
    """

    raw: bytes = field(default_factory=_fresh)

    @property
    def state(self) -> Floats:
        """[:data:`SIZE`] unpacked: a copy. Setting it keeps of it what :func:`pack` keeps."""
        state = np.empty(SIZE)
        unpack(np.frombuffer(bytearray(self.raw)), state)
        return state

    @state.setter
    def state(self, state: Floats) -> None:
        packed = np.empty(SIZE)
        self.raw = packed[: pack(state, packed)].tobytes()

    @property
    def accepted(self) -> int:
        """Beats that the baseline has learned from."""
        return int(self._head[V_ACCEPTED])

    @property
    def warm(self) -> bool:
        """There is a reference beat."""
        return bool(self._head[V_SEEN] >= BOOT)

    @property
    def references(self) -> int:
        """How many there are in use: 0, 1, or 2 for a patient with two shapes of normal beat."""
        return (1 + int(self._head[V_SHOWN])) if self.warm else 0

    def reference(self, which: int = 0) -> Samples:
        """[187] the reference that the next beat is restored with, in units of the stream's scale."""
        start = A_SNAPSHOTS + which * WINDOW
        return self.state[start : start + WINDOW].astype(np.float32)

    def room(self) -> int:
        """How many beats may be restored before the snapshots are renewed; at least 1."""
        return room(int(self._head[V_SEEN]))

    def to_bytes(self) -> bytes:
        """For storage."""
        return self.raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """The inverse of :meth:`to_bytes`; :class:`DataError` if it is not a baseline of this version."""
        whole = len(raw) - len(raw) % 8
        packed = np.frombuffer(bytearray(raw[:whole]))
        if len(packed) < A_REFERENCES or packed[V_VERSION] != VERSION or not np.isfinite(packed).all():
            raise DataError("a stored baseline is damaged or of another version; the stream must learn anew")
        size = 8 * sum(n for _, n in pieces(packed))
        if len(raw) != size:
            raise DataError(
                f"a stored baseline has {len(raw)} bytes instead of {size}; the stream must learn anew"
            )
        return cls(raw)

    @property
    def _head(self) -> Floats:
        """The scalars."""
        return np.frombuffer(self.raw, count=A_LOCATION)


@compiled
def pieces(head: Floats) -> tuple[tuple[int, int], ...]:
    """What is kept of a state with the scalars ``head``: where each piece begins, and how much it is."""
    young = head[V_SEEN] < BOOT
    window = 0 if young else WINDOW
    second = head[V_SECOND] > 0.0
    return (
        (0, A_REFERENCES),
        (A_FIRST, A_LATELY - A_FIRST if young else 0),
        (A_LATELY, 0 if young else K * LATELY),
        (A_REFERENCES, window),
        (A_SNAPSHOTS, window),
        (A_REFERENCES + WINDOW, window if second else 0),
        (A_SNAPSHOTS + WINDOW, window if head[V_SHOWN] > 0.0 else 0),
        (A_CANDIDATE, window if head[V_CANDIDATES] > 0.0 and not second else 0),
    )


@compiled
def pack(state: Floats, packed: Floats) -> int:
    """Put what can still matter of ``state`` at the beginning of ``packed``; says how much that is."""
    at = 0
    for first, n in pieces(state):
        for j in range(n):
            packed[at + j] = state[first + j]
        at += n
    return at


@compiled
def unpack(packed: Floats, state: Floats) -> None:
    """The inverse: fills ``state``, zeros where nothing was kept."""
    at = 0
    for j in range(SIZE):
        state[j] = 0.0
    for first, n in pieces(packed):
        for j in range(n):
            state[first + j] = packed[at + j]
        at += n


@compiled
def room(seen: int) -> int:
    """Beats until the snapshots are renewed."""
    if seen < BOOT:
        return BOOT - seen
    return EARLY - seen % EARLY if seen < OFTEN else OFTEN - seen % OFTEN
