"""The compiled step against the plain reading of the same signal path: the same to the bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from ecgmon.ecg import memory, room
from ecgmon.ecg.frontend import Frontend, Output
from ecgmon.ecg.quality import CLIPPED, FLAT, MISSING, NOISY
from ecgmon.ecg.types import FS, Beat, Quality, Samples
from ecgmon.errors import DataError
from ecgmon.monitor.statefile import VERSION
from tests.ecg import plain

Heart = Callable[..., Any]


def beat_row(b: Beat) -> plain.Row:
    intervals = map(repr, (b.rr, b.rr_local, b.irregularity))
    return (b.index, b.r, b.ready, b.window.tobytes(), b.scale, *intervals, b.good, b.size)


def second_row(q: Quality) -> plain.Row:
    bits = q.flat * FLAT | q.clipped * CLIPPED | q.noisy * NOISY | q.missing * MISSING
    return q.second, bits, q.extents, q.wander, q.partial


def in_chunks(x: Samples, fs: float, chunk: int, *, kachuee: bool) -> tuple[list[plain.Row], list[plain.Row]]:
    frontend = Frontend(fs, layout="kachuee" if kachuee else "centred")

    def outputs() -> Iterator[Output]:
        for start in range(0, len(x), chunk):
            yield frontend.feed(x[start : start + chunk])
        yield frontend.flush()

    outs = list(outputs())
    whole = [q for out in outs for q in out.quality if q.extents]
    return [beat_row(b) for out in outs for b in out.beats], [second_row(q) for q in whole]


@pytest.mark.parametrize("kachuee", [False, True])
@pytest.mark.parametrize("fs", [100.0, 257.0, 360.0])
def test_a_drawn_heart_gives_the_beats_and_seconds_of_the_plain_path(
    heart: Heart, fs: float, kachuee: bool
) -> None:
    x, _ = heart(fs, 130.0)
    t = len(x) / 130.0
    x[round(40 * t / fs * fs) : round(41.3 * t)] = np.nan
    x[round(60 * t) : round(61 * t)] = 9.0
    x[round(80 * t) : round(92 * t)] = 0.1
    x[round(100 * t) :] *= -3.0
    for chunk in (len(x), round(fs), 61):
        beats, seconds = in_chunks(x, fs, chunk, kachuee=kachuee)
        assert len(beats) > 100
        assert (beats, seconds) == plain.run(x, fs, kachuee=kachuee)


@pytest.mark.parametrize("record", ["106", "201", "207"])
def test_a_recording_gives_the_beats_and_seconds_of_the_plain_path(data: Path, record: str) -> None:
    """Bigeminy, atrial fibrillation with pauses, flutter."""
    x = wfdb.rdrecord(str(data / "mitdb" / record), channels=[0], sampto=360 * 300).p_signal[:, 0]
    x = x.astype(np.float32)
    beats, seconds = in_chunks(x, 360.0, 7777, kachuee=False)
    assert len(beats) > 250
    assert (beats, seconds) == plain.run(x, 360.0)


def test_nothing_of_long_ago_is_told_of_a_block_that_a_gap_ends_in(heart: Heart) -> None:
    x, _ = heart(125.0, 60.0)
    x[30 * 125 : 40 * 125] = 5.0
    for seconds in (15.7, 17.34, 21.1, 25.9):
        frontend = Frontend(125.0)
        frontend.feed(x[: 40 * 125])
        frontend.gap(seconds)
        (last,) = frontend.flush().quality
        assert last.missing
        assert (last.flat, last.clipped, last.noisy) == (False, False, False)


def test_a_state_of_another_form_has_another_version() -> None:
    hashed = hashlib.sha256(repr(memory.FORM.descr).encode()).hexdigest()[:12]
    assert (VERSION, hashed) == (3, "a53e10da18d9"), (
        "raise statefile.VERSION: saved streams are read by place"
    )


def test_more_given_beats_in_a_second_than_the_room_has_rows_are_all_given(heart: Heart) -> None:
    x, _ = heart(125.0, 30.0)
    given = np.sort(np.r_[np.arange(2.0, 28.0), np.linspace(10.0, 11.0, 3 * room.BEATS)])
    frontend = Frontend(125.0, r_peaks=given)
    beats = [*frontend.feed(x).beats, *frontend.flush().beats]
    assert [b.index for b in beats] == list(range(len(given)))
    halves = Frontend(125.0, r_peaks=given)
    again = [*halves.feed(x[:1300]).beats, *halves.feed(x[1300:]).beats, *halves.flush().beats]
    assert [beat_row(b) for b in again] == [beat_row(b) for b in beats]


def test_a_chunk_that_ends_where_the_room_is_full_is_worked_off_once(heart: Heart) -> None:
    x, _ = heart(125.0, 30.0)
    whole = Frontend(125.0)
    wanted = [second.second for second in [*whole.feed(x).quality, *whole.flush().quality]]
    for cut in range((room.SECONDS - 2) * FS, (room.SECONDS + 1) * FS, 3):  # at one of these no row is free
        frontend = Frontend(125.0)
        found = [*frontend.feed(x[:cut]).quality, *frontend.feed(x[cut:]).quality, *frontend.flush().quality]
        assert [second.second for second in found] == wanted


@pytest.mark.parametrize("raw", [b"", b"x" * 100, None, "text"])
def test_a_saved_state_of_another_form_is_refused(raw: object) -> None:
    with pytest.raises(DataError, match="another form"):
        Frontend(125.0).restore({"memory": raw, "index": 0, "gap_rest": 0.0})
