"""Where compiled functions are kept, and that they are not kept too long."""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import numba
import pytest

from ecgmon.ecg import compiled as module
from ecgmon.ecg.compiled import cache_folder, compiled, stamp


def test_without_a_place_for_the_cache_a_function_is_compiled_all_the_same() -> None:
    space: dict[str, Any] = {}
    exec("def double(x):\n    return 2 * x", space)  # noqa: S102 - has no file, so no place for a cache
    with pytest.raises(RuntimeError, match="no locator available"):
        numba.njit(cache=True)(space["double"])
    assert compiled(space["double"])(21) == 42


@pytest.mark.parametrize("changed", ["ecg/a.py", "model/b.py"])
def test_a_change_in_any_source_means_another_cache(tmp_path: Path, changed: str) -> None:
    """A function takes those that it calls, and their constants, into itself, from other modules too."""
    for name in ("ecg/a.py", "model/b.py", "monitor/c.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x = 1")
    first = stamp(tmp_path)
    (tmp_path / "monitor/c.py").write_text("x = 2")
    assert stamp(tmp_path) == first
    (tmp_path / changed).write_text("x = 2")
    assert stamp(tmp_path) != first


def test_the_place_that_numba_was_given_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "given"))
    assert Path(cache_folder.__wrapped__()).parent == tmp_path / "given"


def test_numba_itself_is_left_as_it_was() -> None:
    settings: Any = numba.config
    before = settings.CACHE_DIR
    space: dict[str, Any] = {}
    exec("def half(x):\n    return x / 2", space)  # noqa: S102 - as above
    compiled(space["half"])
    after = settings.CACHE_DIR
    assert after == before


def test_what_older_sources_left_is_removed_but_for_the_newest(tmp_path: Path) -> None:
    age = time.time() - 2 * module.DAY
    old = [tmp_path / f"compiled-{number:012x}" for number in range(6)]
    others = [tmp_path / "compiled-notours", tmp_path / "frontend.cpython-311.pyc"]
    for number, folder in enumerate([*old, *others]):
        (folder / "ecg").mkdir(parents=True)
        os.utime(folder, (age + number, age + number))
    new = tmp_path / "compiled-abcabcabcabc"
    new.mkdir()
    module._clear(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == sorted([*old[-module.KEPT + 1 :], new, *others])


def test_what_was_compiled_the_same_day_stays(tmp_path: Path) -> None:
    """A program of other sources may be running."""
    for number in range(9):
        (tmp_path / f"compiled-{number:012x}").mkdir()
    module._clear(str(tmp_path))
    module._clear(str(tmp_path / "nothing here"))
    assert len(list(tmp_path.iterdir())) == 9


def test_numbers_in_the_text_of_a_caller_make_no_further_versions() -> None:
    space: dict[str, Any] = {"compiled": compiled}
    exec("@compiled\ndef double(x):\n    return 2 * x", space)  # noqa: S102 - as above
    exec("@compiled\ndef all():\n    return double(3) + double(4)", space)  # noqa: S102 - as above
    assert space["all"]() == 14
    assert len(space["double"].part.signatures) == 1


def test_a_function_is_the_same_for_python_and_for_compiled_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python calls one, a caller has the text of the other within itself: results, defaults, errors, and the
    shape in an error's text, which is a constant of the part."""
    source = """
import numpy as np
from ecgmon.ecg.compiled import compiled

@compiled
def share(x, of, more=1):
    return x / of + more

@compiled
def room(n):
    return np.empty((n, n))

@compiled
def twice(x, of):
    return share(x, of) + share(x, of, more=0)

@compiled
def size(n):
    return room(n).size
"""
    (tmp_path / "functions_of_a_test.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    for _ in "compiled", "from the cache":
        functions: Any = importlib.import_module("functions_of_a_test")
        assert functions.twice(3, 4) == functions.share(3, 4) + functions.share(3, 4, 0) == 2.5
        assert functions.size(3) == functions.room(3).size == 9
        for function in functions.share, functions.twice:
            with pytest.raises(ZeroDivisionError):
                function(1, 0)
        for function in functions.room, functions.size:
            with pytest.raises(ValueError, match="negative dimensions"):
                function(-1)
        del sys.modules["functions_of_a_test"]
