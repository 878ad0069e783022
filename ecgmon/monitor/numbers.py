"""Sequence numbers of one stream's chunks: how far ahead is one, and are they of any use? Pure."""

from __future__ import annotations

from typing import Final

WRAPS: Final = (2**8, 2**16, 2**32)
"""Behind the largest number of so many comes 0."""

DOUBTS: Final = 3
"""So often on end must numbers contradict times that follow each other before they are ignored."""


class Numbers:
    """Of a stream whose first chunk has number ``seq``; None where it has none."""

    __slots__ = ("_doubts", "_modulus", "count", "ignored", "seq")

    def __init__(self, seq: int | None) -> None:
        self.seq = seq
        """Of the last chunk that followed."""
        self.count = 0
        """Counts on where ``seq`` wraps or begins anew."""
        self.ignored = False
        """They are of no use: constant, say, or a clock's."""
        self._modulus = 0  # 0: no wrap was seen
        self._doubts = 0

    def next_is(self, seq: int | None) -> bool:
        """Whether ``seq`` is the last number plus one, and that says something."""
        last = self.seq
        return seq is not None and last is not None and seq == last + 1 and not self.ignored

    def ahead(self, seq: int | None, late: float, seconds: float, slack: float) -> int | None:
        """By how much ``seq`` is ahead of the last number, 1: it is the next; None where that says nothing.

        Its chunk is ``late`` s behind the end of the last one, which was ``seconds`` long; see :func:`agree`.
        """
        if seq is None or self.seq is None or self.ignored:
            return None
        plain = seq - self.seq
        if plain >= 0:
            behind = plain - self._modulus  # from before the wrap
            return behind if 0 < -behind < self._modulus // 2 else plain
        for modulus in WRAPS:
            wrapped = plain + modulus
            fits = self.seq < modulus and 0 < wrapped <= modulus // 2
            if fits and agree(late, wrapped - 1, seconds, slack):
                return wrapped
        return plain

    def follow(self, seq: int | None, ahead: int, *, reset: bool, doubtful: bool) -> None:
        """The chunk with ``seq`` is the next that counts. ``reset``: the sender began anew; ``doubtful``: its
        time says that nothing is missing and nothing comes again, its number says otherwise."""
        seq, last = seq or 0, self.seq or 0
        if reset or ahead < 1:
            self.count, self._modulus = self.count + 1, 0
        else:
            self.count += ahead
            if seq < last:
                self._modulus = ahead - (seq - last)
            elif seq >= self._modulus:
                self._modulus = 0
        self._doubts = self._doubts + 1 if doubtful else 0
        self.ignored = self._doubts >= DOUBTS


def agree(late: float, lost: int, seconds: float, slack: float) -> bool:
    """Whether ``lost`` chunks of ``seconds`` s are what a time says that is ``late`` s behind, to half a
    chunk or ``slack`` s."""
    return abs(late - lost * seconds) <= max(slack, seconds / 2)
