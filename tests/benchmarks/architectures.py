"""The three autoencoders side by side: size, training time, speed, AUROC on patients that none of them saw.

    .venv/bin/python tests/benchmarks/architectures.py --data ../shared/data/mitdb --out runs/architectures

Trains each with ``configs/train.yaml`` on DS1, evaluates on DS2 with own R-peaks, prints one table.
Nothing is chosen by it. Speed is the autoencoder alone, one thread, batches of 128. What ``--out`` holds
already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from ecgmon.model.bundle import load
from ecgmon.model.restorer import Restorer

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "conv": {"type": "conv"},
    "lstm": {"type": "lstm"},
    "conv-lstm": {"type": "conv-lstm"},
    "conv, no reference": {"type": "conv", "context": 0, "latent": 16},
}
ROOT = Path(__file__).resolve().parents[2]
BATCH = 128


def ecgmon(*args: str | Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "ecgmon.cli", *map(str, args)], check=True, stdout=subprocess.DEVNULL
    )


def beats_per_second(bundle: Path) -> float:
    """Median over 20 rounds of about 2 000 beats, one thread."""
    torch.set_num_threads(1)
    restorer = Restorer(load(bundle).autoencoder(), "cpu")
    rng = np.random.default_rng(0)
    x, reference = rng.normal(size=(2, BATCH, 187)).astype(np.float32)
    restorer(x, reference)
    rates = []
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(16):
            restorer(x, reference)
        rates.append(16 * BATCH / (time.perf_counter() - started))
    return float(np.median(rates))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of MIT-BIH")
    parser.add_argument("--out", type=Path, required=True, help="folder for bundles and results")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    settings = yaml.safe_load((ROOT / "configs" / "train.yaml").read_text())
    print("| autoencoder | parameters | training, s | beats/s | AUROC | V | S | mean per record | AUPRC |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, architecture in ARCHITECTURES.items():
        stem = args.out / name.replace(", ", "-").replace(" ", "-")
        config, bundle, result = (stem.with_suffix(s) for s in (".yaml", ".safetensors", ".json"))
        config.write_text(yaml.safe_dump(settings | {"architecture": architecture, "data": str(args.data)}))
        timing = stem.with_suffix(".seconds")
        if not (bundle.exists() and timing.exists()):
            started = time.monotonic()
            ecgmon("train", "--config", config, "--out", bundle)
            timing.write_text(f"{time.monotonic() - started:.0f}")
        ecgmon("evaluate", "--model", bundle, "--data", args.data, "--records", "DS2", "--json", result)
        beats = json.loads(result.read_text())["beats"]
        per_class = beats["per_class_auroc"]
        print(
            f"| {name} | {load(bundle).autoencoder().parameter_count():,} | {timing.read_text()} "
            f"| {beats_per_second(bundle):,.0f} | {beats['auroc']:.3f} | {per_class['V']:.3f} "
            f"| {per_class['S']:.3f} | {beats['mean_record_auroc']:.3f} | {beats['auprc']:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
