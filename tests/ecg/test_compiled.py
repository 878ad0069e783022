"""Compiled functions where there is no place for a cache."""

from __future__ import annotations

from typing import Any

import numba
import pytest

from ecgmon.ecg.compiled import compiled


def test_without_a_place_for_the_cache_a_function_is_compiled_all_the_same() -> None:
    space: dict[str, Any] = {}
    exec("def double(x):\n    return 2 * x", space)  # noqa: S102 - has no file, so no place for a cache
    with pytest.raises(RuntimeError, match="no locator available"):
        numba.njit(cache=True)(space["double"])
    assert compiled(space["double"])(21) == 42
