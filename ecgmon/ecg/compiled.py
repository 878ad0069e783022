"""Compiled functions that keep their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba: without the GIL, cached on disk, arithmetic as written (no reordering of sums).

    Sums in a fixed order are what makes results the same to the bit, whatever pieces the signal comes in.
    """
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))
