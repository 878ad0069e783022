"""Stages of the compiled signal path, each by itself over a whole signal, with room of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg import blocking, detector, quality, resample, rpeaks
from ecgmon.ecg.quality import BLOCK
from ecgmon.ecg.resample import Flags, Signal
from ecgmon.ecg.types import FS, Samples


def record(form: np.dtype[Any]) -> Any:
    return np.zeros(1, form)[0]


class Resampler:
    """One stream from ``fs`` Hz to 125 Hz."""

    def __init__(self, fs: float) -> None:
        self.table, terms = resample.design(fs)
        self.terms = np.array([terms], resample.TERMS)[0]
        self.state = record(resample.FORM)
        resample.restart(self.state)
        self.delay = float(self.terms["half"]) / fs

    @property
    def samples_out(self) -> int:
        return int(self.state["samples_out"])

    def feed(self, x: Samples, marks: Flags | None = None) -> tuple[Signal, Flags]:
        line, flags, y, y_marks = self._room(len(x))
        if marks is not None:
            flags[int(self.terms["kept"]) :] = marks
        n = resample.take(x, line, flags, self.table, self.terms, self.state, y, y_marks)
        return y[:n], y_marks[:n]

    def flush(self) -> tuple[Signal, Flags]:
        line, flags, y, y_marks = self._room(int(self.terms["half"]))
        n = resample.finish(line, flags, self.table, self.terms, self.state, y, y_marks)
        return y[:n], y_marks[:n]

    def skip(self, samples: int) -> None:
        resample.skip(samples, self.terms, self.state)

    def _room(self, n: int) -> tuple[Signal, Flags, Signal, Flags]:
        line = np.zeros(int(self.terms["kept"]) + n)
        y = np.zeros(int(n * FS / float(self.terms["fs"])) + 4)
        return line, np.zeros(len(line), np.uint8), y, np.zeros(len(y), np.uint8)


def on_rails(x: Samples, fs: float) -> Flags:
    """Which input samples are clipped."""
    flags = np.zeros(len(x), np.uint8)
    quality.mark_rails(x, flags, quality.rails(), quality.shortest_run(fs))
    return flags


def blocked(marks: Flags) -> Flags:
    """Which samples of the envelope a long run of missing ones spoils."""
    flags = np.zeros(len(marks), np.uint8)
    assert blocking.block(marks, True, blocking.state(), flags) == len(marks)
    return flags


def humps(e: Signal, y: Signal, spoilt: Flags) -> list[list[int]]:
    """Of the envelope ``e`` and the signal ``y``: the detector's peaks, and what decided each."""
    state = record(rpeaks.FORM)
    rpeaks.restart(0, state)
    room: NDArray[np.int64] = np.zeros((len(e) // rpeaks.SEPARATION + len(state["pending"]), 2), np.int64)
    found: list[list[int]] = room[: detector.detect(e, y, spoilt, True, state, room)].tolist()
    return found


def verdicts(w: Signal, wander: Signal, e: Signal, marks: Flags) -> list[int]:
    """Of each 0.2 s, the last of them unfinished."""
    judge, room = record(quality.FORM), np.zeros(len(w) // BLOCK, np.uint8)
    found: list[int] = room[: quality.judge(w, wander, e, marks, 0, judge, room)].tolist()
    return [*found, quality.judge_rest(len(w), judge)] if len(w) % BLOCK else found
