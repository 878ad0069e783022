"""A configuration that runs in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def tree(ward: Path, tmp_path: Path) -> dict[str, Any]:
    """Two experiments that have a fit in common: nine fits in all."""
    mlp = {"type": "mlp", "sizes": [8], "latent": 2}
    means = {"type": "classical", "detector": {"type": "kmeans", "clusters": 3}}
    pca = {"type": "classical", "detector": {"type": "pca", "kept": 4}}
    return {
        "out": str(tmp_path / "out"),
        "workers": 1,
        "seeds": [0, 1],
        "folds": 2,
        "thresholds": {"F1": {"type": "f-beta", "steps": 50}},
        "datasets": {
            "ward": {
                "type": "records", "data": str(ward), "train": "a,b,c,d", "test": "x,y",
                "learning_seconds": 30.0, "max_beats_per_patient": 60, "max_test": 200,
            }
        },
        "experiments": {
            "first": {
                "title": "First",
                "dataset": "ward",
                "base": {"type": "autoencoder", "epochs": 1, "network": mlp},
                "vary": [{"plain": {}, "KL": {"kl_weight": 0.1}}],
                "methods": {"PCA": pca},
                "seeds": [0],
                "cross": True,
            },
            "second": {"dataset": "ward", "methods": {"PCA": pca, "k-means": means}},
        },
    }  # fmt: skip
