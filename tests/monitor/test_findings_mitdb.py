"""Findings on real ECG, records of DS1: floors with margins, and what must not change them.

What each finding is worth on all records stands in ``tests/benchmarks/findings.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.ecg.types import Finding
from ecgmon.evaluation.matching import match
from ecgmon.model import bundle
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.findings import Rhythm, shape_of
from ecgmon.monitor.offline import StreamResult, run
from ecgmon.monitor.pipeline import PipelineSettings
from ecgmon.monitor.policies import AlertSettings
from ecgmon.sources.annotations import read_annotations
from ecgmon.sources.memory import MemorySource, chunks_of

LEARNING = 300.0
BRIEF = PipelineSettings(
    alerts=AlertSettings(anomalous_beats=EpisodeSettings(clear_beats=8, clear_seconds=30.0))
)
"""Alerts end between the bigeminies of 119, so that there are some to compare."""


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(bundle.load("default"), "cpu")


def samples_of(record: Path, seconds: float | None = None) -> NDArray[np.float32]:
    """The first lead, mV, at 360 Hz."""
    found = wfdb.rdrecord(str(record), channels=[0], sampto=None if seconds is None else int(360 * seconds))
    lead: NDArray[np.float32] = found.p_signal[:, 0].astype(np.float32)
    return lead


def played(scorer: Scorer, samples: NDArray[np.float32], seconds: float = 60.0) -> StreamResult:
    return run(MemorySource(chunks_of(samples, 360.0, stream="s", seconds=seconds)), scorer, BRIEF)["s"]


def shares(scorer: Scorer, record: Path) -> dict[str, dict[str, float]]:
    """Annotation symbol to finding to the share of its beats that show it, behind the first five minutes."""
    result = played(scorer, samples_of(record))
    marks = read_annotations(record)
    symbols = np.array(marks.symbols)
    beats = np.isin(symbols, list("NLRAaJSVEF"))
    r_peaks = np.array([beat.r for beat in result.beats])
    found = match(marks.samples[beats] / marks.fs, r_peaks, 0.15).detected
    rhythm, said = Rhythm(), dict[str, list[set[str]]]()
    pairs = list(zip(result.beats, result.scores, strict=True))
    notes = [rhythm.note(beat, score) for beat, score in pairs]
    for (beat, score), noted, at in zip(pairs, notes, found.tolist(), strict=True):
        if noted is not None and score is not None and at >= 0 and beat.r > LEARNING:
            said.setdefault(str(symbols[beats][at]), []).append({*noted.shown, *shape_of(beat, score)})
    codes = {code for sets in said.values() for codes in sets for code in codes}
    return {
        symbol: {code: sum(code in one for one in sets) / len(sets) for code in codes}
        for symbol, sets in said.items()
    }


def test_ventricular_beats_of_119_are_wide_early_and_without_p_wave(scorer: Scorer, mitdb: Path) -> None:
    found = shares(scorer, mitdb / "119")
    assert found["V"]["wide-qrs"] > 0.9
    assert found["V"]["early-beat"] > 0.9
    assert found["V"]["no-p-wave"] > 0.5
    assert found["V"]["compensatory-pause"] > 0.5
    assert max(found["N"].values()) < 0.02


def test_atrial_beats_of_209_are_early_and_not_wide(scorer: Scorer, mitdb: Path) -> None:
    found = shares(scorer, mitdb / "209")
    assert found["A"]["early-beat"] > 0.7
    assert found["A"]["wide-qrs"] < 0.02
    assert max(found["N"].values()) < 0.02


def test_left_bundle_branch_block_is_usual_for_its_patient(scorer: Scorer, mitdb: Path) -> None:
    found = shares(scorer, mitdb / "109")
    assert max(found["L"].values()) < 0.02


def findings_of(result: StreamResult) -> list[tuple[str, list[Finding]]]:
    assert len([alert for alert in result.alerts if alert.state == "raised"]) > 5
    return [(a.id, [] if a.evidence is None else a.evidence.findings) for a in result.alerts]


@pytest.fixture(scope="module")
def whole(scorer: Scorer, mitdb: Path) -> StreamResult:
    """Ten minutes of 119 in chunks of a minute."""
    return played(scorer, samples_of(mitdb / "119", 600.0))


@pytest.mark.parametrize("seconds", [0.37, 5.0])
def test_findings_do_not_depend_on_how_samples_were_cut(
    scorer: Scorer, mitdb: Path, whole: StreamResult, seconds: float
) -> None:
    cut = played(scorer, samples_of(mitdb / "119", 600.0), seconds)
    assert findings_of(cut) == findings_of(whole)


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0.0), (4.0, 0.0), (1.0, 2.0)])
def test_findings_do_not_depend_on_gain_and_offset(
    scorer: Scorer, mitdb: Path, whole: StreamResult, gain: float, offset: float
) -> None:
    changed = played(scorer, samples_of(mitdb / "119", 600.0) * np.float32(gain) + np.float32(offset))
    for (id_, found), (was_id, was) in zip(findings_of(changed), findings_of(whole), strict=True):
        assert id_ == was_id
        assert [(f.code, f.beats) for f in found] == [(f.code, f.beats) for f in was]
        for now, before in zip(found, was, strict=True):
            if before.unit not in {None, "mV"}:
                assert now.value == pytest.approx(before.value, abs=1)
