"""A short hash over the constants of modules: what a stored thing was made with, and must meet again."""

from __future__ import annotations

import hashlib
from types import ModuleType
from typing import Any

import numpy as np


def fingerprint_of(design: int, *modules: ModuleType) -> str:
    """12 hexadecimal digits over ``design`` and the upper-case constants of ``modules``, plain data only."""
    lines = [f"design={design}"]
    for module in modules:
        for name, value in sorted(vars(module).items()):
            if name.isupper() and _plain(value):
                lines.append(f"{module.__name__}.{name}={_text(value)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_plain(item) for item in value.values())
    return isinstance(value, int | float | str | tuple | frozenset | np.ndarray)


def _text(value: Any) -> str:
    """Floats to nine digits: the last ones of a computed constant may differ between machines."""
    if isinstance(value, np.ndarray):
        return _text(tuple(value.tolist()))
    if isinstance(value, dict):
        return ",".join(f"{key}:{_text(item)}" for key, item in sorted(value.items()))
    if isinstance(value, frozenset):
        return _text(tuple(sorted(value)))
    if isinstance(value, tuple | list):
        return f"({','.join(_text(item) for item in value)})"
    return f"{value:.9g}" if isinstance(value, float) else repr(value)
