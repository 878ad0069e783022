"""``bench train``: what ``ecgmon train`` costs, as a process of its own, from reading to the bundle."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ecgmon.bench.contest import Row
from ecgmon.bench.processes import whole_process
from ecgmon.bench.report import Report, cost_table, spread


def run(
    config: dict[str, Any],
    repetitions: int,
    settings: dict[str, Any],
    progress: Callable[[str], object],
    notes: list[str],
) -> Report:
    """Train ``repetitions`` times by the configuration ``config``."""
    row = Row("ecgmon train", "reads, learns, calibrates, writes; a whole process")
    wall, memory = [], []
    for repetition in range(repetitions):
        progress(f"ecgmon train: {repetition + 1} of {repetitions}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.yaml"
            path.write_text(yaml.safe_dump(config))
            command = [sys.executable, "-m", "ecgmon.cli", "train", "--config", str(path)]
            took = whole_process([*command, "--out", str(Path(folder) / "model.safetensors")])
        row.runs.append(took.cpu)
        wall.append(took.wall)
        memory.append(took.memory / 1e6)
    table = cost_table("CPU s", [row], row, digits=1)
    table[0][3:3] = ["wall s", "from-to", "MB at most"]
    table[1][3:3] = [*spread(wall, 1), spread(memory, 0)[0]]
    return Report(
        "train", settings | {"runs": repetitions}, [table],
        {"unit": "CPU seconds", "rows": [row.tree(row) | {"wall": wall, "megabytes": memory}]}, notes,
    )  # fmt: skip
