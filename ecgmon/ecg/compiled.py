"""Compiled functions that keep their types."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba: without the GIL, cached on disk, arithmetic as written (no reordering of sums).

    Sums in a fixed order are what makes results the same to the bit, whatever pieces the signal comes in.
    Where neither the package's folder nor the user's cache can be written (a container, a system service),
    each process compiles anew, which takes some seconds.
    """
    dispatcher = numba.njit(nogil=True)(function)
    with contextlib.suppress(RuntimeError):  # numba: "cannot cache function: no locator available"
        dispatcher.enable_caching()
    return cast("Callable[P, R]", dispatcher)
