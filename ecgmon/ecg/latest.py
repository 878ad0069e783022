"""The last numbers of a row, kept in order: their running median without sorting them with each."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled

_COUNT: Final = 0  # of all so far
_HEAD: Final = 1


class Latest:
    """The last ``n`` numbers, none of them NaN."""

    __slots__ = ("_n", "_state", "median", "size")

    def __init__(self, n: int) -> None:
        self._n = n
        self._state = np.zeros(_HEAD + 2 * n)  # count, a ring by age, the same by size
        self.size = 0
        """How many there are."""
        self.median = 0.0
        """Of those there are; as :func:`numpy.median`, to the bit."""

    def append(self, value: float) -> None:
        """The next one."""
        self.median = _append(self._state, value)
        if self.size < self._n:
            self.size += 1

    def smallest(self, rank: int) -> float:
        """The smallest but ``rank``, of more than that."""
        return float(self._state[_HEAD + self._n + rank])

    def clear(self) -> None:
        """Forget all."""
        self._state[_COUNT] = 0.0
        self.size = 0


@compiled
def _append(state: NDArray[np.float64], value: float) -> float:
    """Take one; the median."""
    n = (len(state) - _HEAD) // 2
    by_age, by_size = state[_HEAD : _HEAD + n], state[_HEAD + n :]
    count = int(state[_COUNT])
    size = min(count, n)
    if size == n:  # the oldest goes
        oldest, i = by_age[count % n], 0
        while by_size[i] < oldest:
            i += 1
        size -= 1
        for j in range(i, size):
            by_size[j] = by_size[j + 1]
    i = size
    while i > 0 and by_size[i - 1] > value:
        by_size[i] = by_size[i - 1]
        i -= 1
    by_size[i] = by_age[count % n] = value
    size += 1
    state[_COUNT] = count + 1.0
    half = size // 2
    return float(by_size[half] if size % 2 else (by_size[half - 1] + by_size[half]) / 2)
