"""A comparison that runs in seconds, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from ecgmon.comparison.results import CellResult

Tree = dict[str, Any]


def small(ward: Path, out: Path) -> Tree:
    """Four fits on simulated recordings; that of PCA is in both experiments, with another threshold."""
    pca = {"type": "classical", "detector": {"type": "pca", "kept": 4}}
    return {
        "out": str(out),
        "workers": 1,
        "seeds": [0, 1],
        "folds": 2,
        "thresholds": {"F1": {"type": "f-beta", "steps": 50}},
        "datasets": {
            "ward": {
                "type": "records", "data": str(ward), "train": "a,b,c,d", "test": "x,y",
                "learning_seconds": 30.0, "max_beats_per_patient": 60,
            }
        },
        "experiments": {
            "networks": {
                "title": "Networks",
                "dataset": "ward",
                "base": {
                    "type": "autoencoder", "epochs": 2,
                    "network": {"type": "mlp", "sizes": [8], "latent": 2},
                },
                "methods": {"PCA": pca},
            },
            "detectors": {"dataset": "ward", "methods": {"PCA": pca}, "thresholds": {"MAD": {"type": "mad"}}},
        },
    }  # fmt: skip


def write(tree: Tree, folder: Path) -> Path:
    path = folder / "compare.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def cells(out: Path) -> dict[str, CellResult]:
    return {
        path.stem: msgspec.json.decode(path.read_bytes(), type=CellResult)
        for path in sorted((out / "cells").glob("*.json"))
    }
