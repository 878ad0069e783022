"""One recording through the monitor's own pipeline: what ``evaluate`` measures and ``scan`` writes down."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.commands.numbers import number
from ecgmon.commands.recordings import CHUNK_SECONDS, naming
from ecgmon.ecg.noise import Mixer
from ecgmon.errors import BundleError
from ecgmon.evaluation.alarms import raised
from ecgmon.evaluation.reference import Reference
from ecgmon.evaluation.tally import Scored
from ecgmon.model import bundle as bundles
from ecgmon.model.bundle import Bundle
from ecgmon.model.calibration import MOST_ALERTS
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.offline import StreamResult, run
from ecgmon.monitor.pipeline_settings import PipelineSettings
from ecgmon.sources.base import Source
from ecgmon.sources.noisy import NoisySource
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource

LEAD_HELP: Final = "name of the lead, its index among the record's voltage leads, or auto"


def add_alert_rate(parser: argparse.ArgumentParser) -> None:
    """The option that chooses the threshold of alerts."""
    parser.add_argument(
        "--false-alerts-per-hour", type=_rate, metavar="R",
        help="choose the threshold of alerts for this rate; default: what the bundle was calibrated for",
    )  # fmt: skip


def stream_bundle(path: str) -> Bundle:
    """The bundle of ``--model``; :class:`BundleError`, before any record is read, for one that cannot judge
    recordings."""
    bundle = bundles.load(path)
    if bundle.metadata.calibration is None:
        raise BundleError(
            f"{path}: trained on single windows, and cannot judge recordings; train on recordings, or name a "
            "CSV of windows"
        )
    return bundle


def run_record(
    record: Path,
    scorer: Scorer,
    *,
    lead: str,
    start_time: float | None = None,
    r_peaks: NDArray[np.float64] | None = None,
    mixer: Mixer | None = None,
) -> StreamResult:
    """Play ``record`` through the pipeline as fast as it goes.

    ``start_time`` is the UTC time of its first sample, s; None takes the date in its header, else 0.
    ``r_peaks`` are stream times, s, to use instead of the detector's. ``mixer`` adds noise. Raises
    :class:`DataError` for a damaged record or an unknown lead.
    """
    source: Source = WfdbSource(
        WfdbSettings(records=[str(record)], start_time=start_time, chunk_seconds=CHUNK_SECONDS)
    )
    if mixer is not None:
        source = NoisySource(source, mixer)
    given = None if r_peaks is None else {record.name: r_peaks}
    with naming(record):
        results = run(source, scorer, PipelineSettings(lead=lead), r_peaks=given)
    return results.get(record.name, StreamResult())


def scored(name: str, result: StreamResult, truth: Reference) -> Scored:
    """``result`` of a run with ``start_time`` 0, in the terms of the evaluation."""
    return Scored(
        name=name,
        hours=result.seconds / 3600,
        truth=truth,
        t=np.array([beat.r for beat in result.beats], dtype=np.float64),
        score=np.array([np.nan if s is None else s.score for s in result.scores], dtype=np.float64),
        p=np.array([np.nan if s is None else s.p_value for s in result.scores], dtype=np.float64),
        odd=np.array([s is not None and s.odd for s in result.scores], dtype=np.bool_),
        alerts=raised(result.alerts, 0.0),
    )


def _rate(text: str) -> float:
    value = number(text)
    if not 0 < value <= MOST_ALERTS:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {MOST_ALERTS:g}")
    return value
