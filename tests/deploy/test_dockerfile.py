"""The Dockerfile, as far as reading tells; ``tests/deploy/clean_root.py`` carries it out."""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path

import pytest

from tests.deploy.dockerfile import DOCKERFILE, read

ROOT = DOCKERFILE.parents[2]


def test_stages_follow_each_other_and_end_with_the_daemon() -> None:
    stages = read()
    assert list(stages) == ["wheel", "install", "secrets", "run"]
    for name, stage in stages.items():
        before = list(stages)[: list(stages).index(name)]
        origins = [
            text.split()[0] for word, text in stage.steps if word == "COPY" and text.startswith("--from=")
        ]
        assert {each.removeprefix("--from=") for each in origins} <= set(before)


def test_the_daemon_runs_as_a_user_without_rights() -> None:
    stage = read()["run"]
    words = [word for word, _ in stage.steps]
    assert int(stage.last("USER").partition(":")[0]) >= 10_000
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert stage.words("ENTRYPOINT") == ["ecgmon"]
    assert stage.words("HEALTHCHECK")[0] == "python"
    compile(stage.words("HEALTHCHECK")[2], "HEALTHCHECK", "exec")


def test_what_is_copied_exists_and_is_let_through() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in patterns
    kept = [each[1:] for each in patterns if each.startswith("!")]
    sources = [
        source
        for stage in read().values()
        for word, text in stage.steps
        if word == "COPY" and not text.startswith("--from=")
        for source in text.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, each) for each in kept), source
    assert {each for each in kept if not Path(ROOT / each).exists()} == set()


def test_the_base_is_the_python_that_is_tested_and_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert read()["run"].image.startswith("python:3.11-slim")


def test_build_arguments_reach_their_stage() -> None:
    stages = read(given={"VARIANT": "cuda", "BASE": "python:3.11-slim-trixie"})
    assert ("ARG", "VARIANT=cuda") in stages["install"].steps
    assert stages["run"].image == "python:3.11-slim-trixie"


def test_an_unknown_instruction_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM a AS b\nONBUILD RUN x\n")
    with pytest.raises(ValueError, match="ONBUILD"):
        read(file)
