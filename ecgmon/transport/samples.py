"""Samples of a message as float32 millivolts, compiled: what numpy does in ten passes, here in one.

The results are those of numpy, and of msgspec for JSON, to the bit; what is not plain (an exponent, more
digits than a double holds exactly) is left to msgspec.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import Samples

MISSING: Final = -32_768
"""A step that stands for no sample."""

_DIGITS: Final = 15
"""A number of so many digits, and ten to the power of as many, are whole doubles; so their quotient is the
double nearest to the decimal fraction, which is what any right parser gives (Clinger 1990)."""

_TENS: Final = np.array([10.0**k for k in range(_DIGITS + 1)])

_SPACE, _COMMA, _MINUS, _POINT, _ZERO, _NINE = 32, 44, 45, 46, 48, 57
_TAB, _LINE, _RETURN, _BEGIN, _END = 9, 10, 13, 91, 93
_NULL: Final = (110, 117, 108, 108)


def from_steps(steps: NDArray[np.int16], step: float) -> Samples:
    """[leads, n] converter steps of ``step`` microvolts to mV; :data:`MISSING` to NaN."""
    samples = np.empty(steps.shape, np.float32)
    _from_steps(steps.reshape(-1), float(step), samples.reshape(-1))
    return samples


def from_numbers(values: NDArray[np.float64], scale: float) -> tuple[Samples, float]:
    """[leads, n] numbers times ``scale`` as mV, and the largest of their amounts, NaN aside."""
    samples = np.empty(values.shape, np.float32)
    return samples, _from_numbers(values.reshape(-1), scale, samples.reshape(-1))


def read_list(text: bytes, values: NDArray[np.float64]) -> bool:
    """Read a JSON array of ``len(values)`` plain numbers, or ``null`` for NaN; whether it was one."""
    return _read_list(np.frombuffer(text, np.uint8), values, _TENS)


@cache
def ready() -> None:
    """Compile, or read from the cache, everything now rather than at the first message."""
    from_steps(np.frombuffer(b"\0\0", "<i2").reshape(1, 1), 1.0)
    from_numbers(np.zeros((1, 1)), 1.0)
    read_list(b"[0]", np.zeros((1, 1))[0])


@compiled
def _from_steps(steps: NDArray[np.int16], step: float, samples: Samples) -> None:
    for i in range(len(steps)):
        samples[i] = np.nan if steps[i] == MISSING else np.float32(steps[i] * step / 1e3)


@compiled
def _from_numbers(values: NDArray[np.float64], scale: float, samples: Samples) -> float:
    largest = 0.0
    for i in range(len(values)):
        value = values[i] * scale
        largest = max(largest, abs(value)) if value == value else largest  # noqa: PLR0124 - NaN
        samples[i] = np.float32(value)
    return largest


@compiled
def _blank(text: NDArray[np.uint8], at: int) -> int:
    """Where the next thing but space stands."""
    while at < len(text) and text[at] in {_SPACE, _TAB, _LINE, _RETURN}:
        at += 1
    return at


@compiled
def _read_list(text: NDArray[np.uint8], values: NDArray[np.float64], tens: NDArray[np.float64]) -> bool:
    if len(text) < 2 or text[0] != _BEGIN or text[-1] != _END:
        return False
    at = 1
    for i in range(len(values)):
        at, values[i] = _read(text, _blank(text, at), tens)
        if at < 0:
            return False
        at = _blank(text, at)
        if i + 1 < len(values):
            if text[at] != _COMMA:
                return False
            at += 1
    return at == len(text) - 1


@compiled
def _read(text: NDArray[np.uint8], at: int, tens: NDArray[np.float64]) -> tuple[int, float]:
    """The plain number, or ``null``, that begins ``at``, and where it ends; -1 where there is none.

    The bracket behind the last one ends every run of digits.
    """
    if text[at] == _NULL[0]:
        for k in range(4):
            if at + k >= len(text) or text[at + k] != _NULL[k]:
                return -1, 0.0
        return at + 4, np.nan
    negative = text[at] == _MINUS
    at += negative
    whole, before, at = _digits(text, at, 0)
    if before == 0 or (before > 1 and text[at - before] == _ZERO):
        return -1, 0.0
    behind = 0
    if text[at] == _POINT:
        whole, behind, at = _digits(text, at + 1, whole)
        if behind == 0:
            return -1, 0.0
    if before + behind > _DIGITS:
        return -1, 0.0
    value = whole / tens[behind]
    return at, -value if negative else value


@compiled
def _digits(text: NDArray[np.uint8], at: int, whole: int) -> tuple[int, int, int]:
    """``whole`` with the digits from ``at`` on behind its own, how many they are, and where they end; of more
    than a plain number's only so many."""
    n = 0
    while _ZERO <= text[at] <= _NINE and n <= _DIGITS:
        whole = 10 * whole + (text[at] - _ZERO)
        n += 1
        at += 1
    return whole, n, at
