"""``check --warm-up``: what a start would compile lies in the cache afterwards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ecgmon import cli
from ecgmon.ecg.compiled import cache_folder


def test_it_says_how_long_it_took_and_where_the_compiled_functions_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "serve.yaml"
    assert cli.run(["init", str(config), "--source", "simulator", "--sink", "console"]) == 0
    assert cli.run(["check", "--config", str(config), "--warm-up"]) == 0
    told = re.search(
        r"^warm-up +\d+\.\d s; compiled functions are in (.+)$", capsys.readouterr().out, re.MULTILINE
    )
    assert told is not None
    assert told[1] == cache_folder()
    assert len(list(Path(told[1]).rglob("*.nbi"))) > 50


def test_without_it_nothing_is_computed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "serve.yaml"
    assert cli.run(["init", str(config), "--source", "simulator", "--sink", "console"]) == 0
    assert cli.run(["check", "--config", str(config)]) == 0
    assert "warm-up" not in capsys.readouterr().out
