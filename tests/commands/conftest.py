"""A small model, trained once for all tests of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ecgmon.cli import run


@pytest.fixture(scope="session")
def small() -> dict[str, object]:
    """Five recordings and a training that takes seconds."""
    return {
        "records": "100,103,119,200,208",
        "architecture": {"type": "conv", "channels": [4, 8], "latent": 4, "context": 4},
        "training": {"epochs": 2, "max_beats_per_patient": 150, "device": "cpu"},
        "split": {"folds": 2},
    }


@pytest.fixture(scope="session")
def trained(mitdb: Path, small: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of five recordings."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "train.yaml").write_text(yaml.safe_dump({"data": str(mitdb)} | small))
    out = folder / "a.safetensors"
    assert run(["train", "--config", str(folder / "train.yaml"), "--out", str(out)]) == 0
    return out
