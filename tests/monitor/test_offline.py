"""The daemon's pipeline over recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgmon.ecg.types import Chunk
from ecgmon.errors import DataError
from ecgmon.monitor.offline import run
from ecgmon.monitor.pipeline import PipelineSettings, Scorer
from ecgmon.sources.annotations import read_annotations
from ecgmon.sources.memory import MemorySource
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource


def test_everything_of_a_stream_is_kept(
    ward: Callable[..., list[Chunk]], new_scorer: Callable[[], Scorer]
) -> None:
    results = run(MemorySource(ward(streams=2, seconds=40.0)), new_scorer(), PipelineSettings(lead="V1"))
    assert set(results) == {"sim-001", "sim-002"}
    for result in results.values():
        assert result.lead == "V1"
        assert result.seconds == pytest.approx(40.0, abs=0.1)
        assert len(result.scores) == len(result.beats) > 25
        assert [b.index for b in result.beats] == list(range(len(result.beats)))
        assert [(s is None) for s in result.scores] == [not b.good for b in result.beats]
        assert [q.second for q in result.quality] == list(range(40))


def test_without_a_scorer_windows_come_in_the_layout_asked_for(ward: Callable[..., list[Chunk]]) -> None:
    chunks = ward(seconds=40.0)
    centred = run(MemorySource(chunks), None)["sim-001"]
    kachuee = run(MemorySource(chunks), None, layout="kachuee")["sim-001"]
    assert [b.r for b in centred.beats] == [b.r for b in kachuee.beats]
    assert set(centred.scores) == {None}
    last = kachuee.beats[-2].window
    assert (last.min(), last.max()) == (0.0, 1.0)


def test_reference_r_peaks_take_the_detectors_place(mitdb: Path) -> None:
    record = mitdb / "100"
    annotations = read_annotations(record)
    beats = np.array(
        [s for s, symbol in zip(annotations.samples, annotations.symbols, strict=True) if symbol in "NAV"]
    )
    r_peaks = beats / annotations.fs
    source = WfdbSource(WfdbSettings(records=[str(record)], chunk_seconds=60.0))
    result = run(source, None, PipelineSettings(lead="MLII"), r_peaks={"100": r_peaks})["100"]
    found = np.array([b.r for b in result.beats])
    assert abs(len(found) - len(r_peaks)) <= 1
    assert np.abs(found[:, None] - r_peaks[None, :]).min(axis=1).max() < 0.15


def test_an_unknown_lead_raises(ward: Callable[..., list[Chunk]]) -> None:
    with pytest.raises(DataError, match="no lead 'aVR'"):
        run(MemorySource(ward(seconds=2.0)), None, PipelineSettings(lead="aVR"))
