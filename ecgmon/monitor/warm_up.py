"""Everything once before the first real beat: what is compiled at its first use, or read from the cache, must
not be so while patients wait."""

from __future__ import annotations

import logging
import time
from typing import Final

from ecgmon.model.scoring import Scorer
from ecgmon.monitor.offline import run
from ecgmon.monitor.pipeline_settings import PipelineSettings
from ecgmon.sources.simulator import ScriptEntry, SimulatorSettings, SimulatorSource

log = logging.getLogger(__name__)

WORTH_SAYING: Final = 3.0
"""Seconds; it takes less where the compiled functions lie in the cache."""

PATIENT: Final = SimulatorSettings(
    streams=1, seconds=45.0, fs=360.0, speed=0.0, chunk_seconds=1.0, start_time=0.0,
    script=(
        ScriptEntry(kind="pvc", at=15.0),
        ScriptEntry(kind="run", at=20.0, seconds=3.0),
        ScriptEntry(kind="noise", at=30.0, seconds=5.0),
        ScriptEntry(kind="lead-off", at=38.0, seconds=4.0),
    ),
)  # fmt: skip


def warm_up(scorer: Scorer, settings: PipelineSettings) -> None:
    """Score batches of all sizes, and watch a simulated patient for 45 s in a pipeline of its own."""
    began = time.monotonic()
    scorer.warm_up(settings.batch.size)
    run(SimulatorSource(PATIENT), scorer)
    took = time.monotonic() - began
    if took >= WORTH_SAYING:
        log.info(
            "compiled for %.1f s; the next start reads it from the cache, where its folder can be written "
            "(NUMBA_CACHE_DIR)",
            took,
        )
