"""Compiled functions that keep their types."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core import config as numba_config

P = ParamSpec("P")
R = TypeVar("R")

_config: Any = numba_config  # its names are made when it is imported


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba: without the GIL, cached on disk, arithmetic as written (no reordering of sums).

    Sums in a fixed order are what makes results the same to the bit, whatever pieces the signal comes in.
    Where neither the package's folder nor the user's cache can be written (a container, a system service),
    each process compiles anew, which takes some seconds.
    """
    dispatcher = numba.njit(nogil=True)(function)
    before = _config.CACHE_DIR
    try:
        with contextlib.suppress(RuntimeError):  # no home, or numba's "no locator available"
            _config.CACHE_DIR = str(cache_folder(Path(__file__).parents[1]))
            dispatcher.enable_caching()
    finally:
        _config.CACHE_DIR = before
    return cast("Callable[P, R]", dispatcher)


@cache
def cache_folder(package: Path) -> Path:
    """Where the compiled functions of ``package`` lie: one folder for each state of their sources.

    numba alone looks at the file of a function, not at those of the functions that it calls and takes into
    itself: a constant changed in one module would live on in the callers of another.
    """
    stamp = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        text = source.read_bytes()
        if b"@compiled" in text:
            stamp.update(f"{source.relative_to(package).as_posix()}\n{len(text)}\n".encode() + text)
    given = os.environ.get("NUMBA_CACHE_DIR")
    inside = package / "__pycache__"
    if given:
        base = Path(given)
    elif os.access(inside if inside.exists() else package, os.W_OK):
        base = inside
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ecgmon"
    return base / f"compiled-{stamp.hexdigest()[:12]}"
