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
    end, at = len(text) - 1, 1
    for i in range(len(values)):
        at = _blank(text, at)
        if text[at] == _NULL[0]:
            if at + 4 > end or text[at + 1] != _NULL[1] or text[at + 2] != _NULL[2] or text[at + 3] != _NULL[3]:
                return False
            values[i] = np.nan
            at += 4
        else:
            negative = text[at] == _MINUS
            at += negative
            first = at
            whole, digits, behind = 0, 0, 0
            while _ZERO <= text[at] <= _NINE:
                whole = 10 * whole + (text[at] - _ZERO)
                digits += 1
                at += 1
                if digits > _DIGITS:
                    return False
            if digits == 0 or (digits > 1 and text[first] == _ZERO):
                return False
            if text[at] == _POINT:
                at += 1
                while _ZERO <= text[at] <= _NINE:
                    whole = 10 * whole + (text[at] - _ZERO)
                    behind += 1
                    at += 1
                    if digits + behind > _DIGITS:
                        return False
                if behind == 0:
                    return False
            value = whole / tens[behind]
            values[i] = -value if negative else value
        at = _blank(text, at)
        if i + 1 < len(values):
            if text[at] != _COMMA:
                return False
            at += 1
    return at == end
