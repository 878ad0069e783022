"""Compiled functions that keep their types."""

# ruff: noqa: PTH111, PTH112, PTH118 - signal code imports no pathlib; here paths are text for numba

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
from numba.core import config as numba_config
from numba.core import types as numba_types
from numba.core.caching import NullCache

from ecgmon.ecg.linked import Part, Whole

P = ParamSpec("P")
R = TypeVar("R")

KEPT: Final = 3
DAY: Final = 86400.0
_FOLDER: Final = re.compile(r"compiled-[0-9a-f]{12}")

_njit: Any = numba.njit
_types: Any = numba_types
_config: Any = numba_config  # its names are made when it is imported


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba: without the GIL, cached on disk, arithmetic as written (no reordering of sums).

    Sums in a fixed order are what makes results the same to the bit, whatever pieces the signal comes in.
    Where neither the package's folder nor the user's cache can be written (a container, a system service),
    each process compiles anew, which takes some 15 s.
    """
    dispatcher: Any = _njit(nogil=True, no_cfunc_wrapper=True, pipeline_class=Whole)(function)
    _take_as_part(dispatcher)
    before = _config.CACHE_DIR
    try:
        folder = cache_folder()
        _config.CACHE_DIR = folder
        with contextlib.suppress(RuntimeError):  # numba: "cannot cache function: no locator available"
            dispatcher.enable_caching()
            if not str(dispatcher.stats.cache_path or "").startswith(folder):
                # Elsewhere results of older sources may lie.
                dispatcher._cache = NullCache()  # noqa: SLF001 - there is no public way back
    finally:
        _config.CACHE_DIR = before
    return cast("Callable[P, R]", dispatcher)


def _take_as_part(dispatcher: Any) -> None:
    """Compiled functions that call this one get the :class:`ecgmon.ecg.linked.Part`, and those that call it
    with a number in their text share one version.

    numba makes one more for every such number, ``median(ring, 25)`` beside ``median(ring, 10)``: more
    to compile, and nothing gained.
    """
    part: Any = _njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=Part)(
        dispatcher.py_func
    )

    def of_types(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        named = {name: _types.unliteral(kind) for name, kind in kws.items()}
        return part.get_call_template(tuple(map(_types.unliteral, args)), named)

    dispatcher.part = part
    dispatcher.get_call_template = of_types
    dispatcher.get_overload = part.get_overload


@cache
def cache_folder() -> str:
    """Where the compiled functions lie: one folder for each state of the sources.

    numba alone looks at the file of a function, not at those of the functions and constants that it takes
    into itself: what changed in one module would live on in the callers of another.
    """
    package = resources.files("ecgmon")
    inside = os.path.join(str(package), "__pycache__")
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        base = given
    elif os.access(inside if os.path.isdir(inside) else str(package), os.W_OK):
        base = inside
    else:
        user = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        base = os.path.join(user, "ecgmon")
    folder = os.path.join(base, f"compiled-{stamp(package)}")
    if not given and not os.path.isdir(folder):
        _clear(base)
    return folder


def _clear(base: str) -> None:
    """Remove what was compiled of other sources, but for the newest ``KEPT`` folders and those that are less
    than a day older than the newest: a program that runs may still write there, and makes the folder anew
    where it is gone."""
    with contextlib.suppress(OSError):
        folders = [entry for entry in os.scandir(base) if _FOLDER.fullmatch(entry.name)]
        written = sorted(((entry.stat().st_mtime, entry.path) for entry in folders), reverse=True)
        for when, path in written[KEPT:]:
            if written[0][0] - when > DAY:
                shutil.rmtree(path, ignore_errors=True)


def stamp(package: Traversable) -> str:
    """12 hexadecimal digits over the sources that compiled functions are made of: those of ``ecg`` and
    ``model``."""
    hashed = hashlib.sha256()
    for part in ("ecg", "model"):
        for name, text in sorted(_sources(package / part)):
            hashed.update(f"{part}/{name} {len(text)}\n".encode() + text)
    return hashed.hexdigest()[:12]


def _sources(folder: Traversable) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.name.endswith(".py"):
            yield entry.name, entry.read_bytes()
