"""Where compiled functions are kept, and that they are not kept too long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba
import pytest

from ecgmon.ecg.compiled import cache_folder, compiled


def test_without_a_place_for_the_cache_a_function_is_compiled_all_the_same() -> None:
    space: dict[str, Any] = {}
    exec("def double(x):\n    return 2 * x", space)  # noqa: S102 - has no file, so no place for a cache
    with pytest.raises(RuntimeError, match="no locator available"):
        numba.njit(cache=True)(space["double"])
    assert compiled(space["double"])(21) == 42


def test_a_change_in_any_compiled_module_means_another_cache(tmp_path: Path) -> None:
    """A function takes those that it calls into itself, from other modules too."""
    for name, text in (("a", "@compiled"), ("b", "@compiled"), ("c", "plain")):
        (tmp_path / f"{name}.py").write_text(text)
    first = cache_folder.__wrapped__(tmp_path)
    (tmp_path / "c.py").write_text("still plain")
    assert cache_folder.__wrapped__(tmp_path) == first
    (tmp_path / "b.py").write_text("@compiled, and changed")
    assert cache_folder.__wrapped__(tmp_path) != first


def test_the_place_that_numba_was_given_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "given"))
    assert cache_folder.__wrapped__(tmp_path).parent == tmp_path / "given"


def test_numba_itself_is_left_as_it_was() -> None:
    settings: Any = numba.config
    before = settings.CACHE_DIR
    space: dict[str, Any] = {}
    exec("def half(x):\n    return x / 2", space)  # noqa: S102 - as above
    compiled(space["half"])
    after = settings.CACHE_DIR
    assert after == before
