"""The simulator as a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgmon import config
from ecgmon.ecg.simulator import simulate
from ecgmon.errors import ConfigError
from ecgmon.sources.base import chunks
from ecgmon.sources.simulator import ScriptEntry, SimulatorSettings, SimulatorSource, annotations_of


@given(seconds=st.floats(0.004, 30.0), fs=st.sampled_from([125.0, 250.0, 257.0]))
@settings(max_examples=15, deadline=None)
def test_chunks_of_any_length_make_the_same_streams(seconds: float, fs: float) -> None:
    source = SimulatorSource(
        SimulatorSettings(streams=2, seconds=13, fs=fs, seed=9, speed=0, chunk_seconds=seconds)
    )
    got = list(chunks(source))
    for number, stream in enumerate(("sim-001", "sim-002"), 1):
        x, truth = simulate(13, fs, seed=9, index=number)
        mine = [chunk for chunk in got if chunk.stream == stream]
        np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in mine], axis=1), x)
        assert [chunk.end for chunk in mine] == [False] * (len(mine) - 1) + [True]
        assert source.truth[stream] == truth


def test_an_endless_source_keeps_no_truth_and_goes_on() -> None:
    source = SimulatorSource(SimulatorSettings(streams=1, speed=0, chunk_seconds=4))
    source.open()
    for _ in range(50):
        chunk = source.get(0.0)
        assert chunk is not None
        assert not chunk.end
    assert source.truth == {}
    assert sum(len(one.truth.beats) for one in source._simulators.values()) < 30
    source.close()


def test_a_script_is_for_one_stream_or_all() -> None:
    script = (
        ScriptEntry(kind="asystole", at=5, seconds=6, stream=2),
        ScriptEntry(kind="lead-off", at=1, seconds=2),
    )
    quiet = config.convert({"pvc": 0, "pac": 0, "run": 0, "noise": 0, "pause": 0, "motion": 0, "lead-off": 0},
                           type(SimulatorSettings().rates), where="test")  # fmt: skip
    source = SimulatorSource(
        SimulatorSettings(streams=2, seconds=20, speed=0, script=script, rates=quiet, start_time=100.0)
    )
    assert next(iter(chunks(source))).t == 100.0
    for _ in chunks(source):
        pass
    assert [span.kind for span in source.truth["sim-001"].spans] == ["lead-off"]
    assert [span.kind for span in source.truth["sim-002"].spans] == ["lead-off", "asystole"]


def test_truth_as_annotations_is_in_order_with_the_usual_symbols() -> None:
    _, truth = simulate(3600, 50, seed=1)
    marks = annotations_of(truth, 50)
    assert np.all(np.diff(marks.samples) >= 0)
    assert {"N", "V", "+", "~"} <= set(marks.symbols)
    assert sum(symbol in {"N", "A", "V"} for symbol in marks.symbols) == len(truth.beats)
    assert marks.aux.count("(VT") == marks.aux.count("(N") >= 1


def test_settings_are_read_from_yaml_and_mistakes_named(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "type: simulator\nstreams: 3\nrates: {lead-off: 2}\nscript:\n- {kind: run, at: 30, stream: 1}\n"
    )
    read = config.load(file, SimulatorSettings)
    assert (read.streams, read.rates.lead_off, read.script[0].kind) == (3, 2, "run")
    file.write_text("type: simulator\nrates: {pvcs: 2}\n")
    with pytest.raises(ConfigError, match="rates: unknown key 'pvcs'; did you mean 'pvc'"):
        config.load(file, SimulatorSettings)
