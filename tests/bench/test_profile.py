"""Where a stream-second goes, and that nothing of it is lost on the way."""

from __future__ import annotations

import cProfile
import pstats
from pathlib import Path

import numpy as np
import pytest

from ecgmon.bench import profile
from ecgmon.bench.profile import sections
from ecgmon.ecg.frontend import Frontend


def test_every_part_of_the_way_has_its_share(patients: list[Path]) -> None:
    report = profile.run(patients, 6, 5, {})
    us = report.result["sections"]
    assert {"decode", "frontend", "score", "policies", "metrics", "pipeline"} <= us.keys()
    assert sum(us.values()) == pytest.approx(report.result["all"])
    assert us.get("other", 0.0) < 0.2 * report.result["all"]


def test_what_numpy_does_counts_for_who_called_it() -> None:
    frontend = Frontend(360.0)
    x = np.random.default_rng(0).standard_normal(36_000).astype(np.float32)
    frontend.feed(x)
    profiler = cProfile.Profile()
    profiler.runcall(frontend.feed, x)
    stats = pstats.Stats(profiler)
    found = sections(stats)
    assert sum(found.values()) == pytest.approx(stats.total_tt)  # type: ignore[attr-defined]
    assert found["frontend"] > 0.95 * sum(found.values())
