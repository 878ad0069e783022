from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecgmon.ecg.frontend import Frontend, fingerprint
from ecgmon.ecg.types import R_INDEX, WINDOW, Beat, Quality
from ecgmon.errors import DataError

Heart = Callable[..., Any]
Run = Callable[..., Any]

RATES = (100.0, 128.0, 250.0, 257.0, 359.98, 360.0, 500.0, 1000.0)

once = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(a: list[Beat], b: list[Beat]) -> bool:
    def plain(beat: Beat) -> tuple[Any, ...]:
        return (
            beat.index,
            beat.r,
            beat.ready,
            beat.scale,
            str(beat.rr),
            str(beat.rr_local),
            beat.good,
            beat.window.tobytes(),
        )

    return [plain(beat) for beat in a] == [plain(beat) for beat in b]


@pytest.mark.parametrize("layout", ["centred", "kachuee"])
@pytest.mark.parametrize("chunk", [1, 37, 360, 5000])
def test_any_chunking_gives_the_same_beats_to_the_bit(
    heart: Heart, run: Run, chunk: int, layout: str
) -> None:
    x, _ = heart(360.0)
    x[4000:4003] = np.nan
    x[7000:7900] = np.nan
    x[:5] = np.nan
    x[10_000] = np.inf
    whole = run(x, 360.0, layout=layout)
    pieces = run(x, 360.0, layout=layout, chunk=chunk)
    assert len(whole.beats) > 30
    assert same(whole.beats, pieces.beats)
    assert whole.quality == pieces.quality


def pieces_of(
    x: Any, chunk: int, *, r_peaks: Any = None, gap_at: int | None = None
) -> tuple[list[Beat], list[Quality]]:
    """Beats and quality of ``x`` at 360 Hz, fed in chunks, with 3 s missing before sample ``gap_at``."""
    frontend = Frontend(360.0, r_peaks=r_peaks)
    outs = []
    for part, piece in enumerate([x] if gap_at is None else [x[:gap_at], x[gap_at:]]):
        if part:
            outs.append(frontend.gap(3.0))
        outs += [frontend.feed(piece[at : at + chunk]) for at in range(0, len(piece), chunk)]
    outs.append(frontend.flush())
    return [b for out in outs for b in out.beats], [q for out in outs for q in out.quality]


@pytest.mark.parametrize("chunk", [37, 360, 5000])
@pytest.mark.parametrize("given_peaks", [False, True])
@pytest.mark.parametrize("gap_at", [None, 70 * 360])
def test_a_long_silence_gives_the_same_beats_in_any_chunks(
    heart: Heart, chunk: int, given_peaks: bool, gap_at: int | None
) -> None:
    x, truth = heart(360.0, 160.0)
    silent, back = round(87.2 * 360), 130 * 360
    x[silent:back] = x[silent]
    x[silent : silent + 130] = np.nan
    peaks = truth[(truth < 87.0) | (truth > 130.5)] if given_peaks else None
    beats, quality = pieces_of(x, len(x), r_peaks=peaks, gap_at=gap_at)
    assert len(beats) > 130
    pieces, seconds = pieces_of(x, chunk, r_peaks=peaks, gap_at=gap_at)
    assert same(beats, pieces)
    assert quality == seconds
    late = [b for a, b in pairwise(beats) if b.r - a.r > 20]
    assert len(late) == 1
    assert np.isnan(late[0].rr)


@once
@given(cuts=st.lists(st.integers(0, 5140), max_size=12), fs=st.sampled_from((128.0, 257.0)))
def test_random_cuts_give_the_same_beats_to_the_bit(
    heart: Heart, run: Run, cuts: list[int], fs: float
) -> None:
    x, _ = heart(fs, 20.0)
    frontend = Frontend(fs)
    beats: list[Beat] = []
    quality: list[Quality] = []
    for piece in np.split(x, sorted(min(c, len(x)) for c in cuts)):
        out = frontend.feed(piece)
        beats += out.beats
        quality += out.quality
    rest = frontend.flush()
    whole = run(x, fs)
    assert same(whole.beats, beats + rest.beats)
    assert whole.quality == quality + rest.quality


@pytest.mark.parametrize("fs", RATES)
def test_every_rate_finds_the_true_r_peaks_within_12_ms(heart: Heart, run: Run, fs: float) -> None:
    x, truth = heart(fs)
    found = np.array([beat.r for beat in run(x, fs).beats])
    assert len(found) == len(truth)
    assert np.abs(found - truth).max() <= 0.012


@once
@given(gain=st.floats(0.2, 5.0))
def test_amplitude_plays_no_part(heart: Heart, run: Run, gain: float) -> None:
    x, truth = heart(250.0, 20.0)
    scaled = run((x * np.float32(gain)).astype(np.float32), 250.0).beats
    plain = run(x, 250.0).beats
    assert len(plain) == len(truth)
    assert [b.good for b in scaled] == [b.good for b in plain]
    np.testing.assert_allclose([b.r for b in scaled], [b.r for b in plain], atol=1e-3)
    np.testing.assert_allclose([b.scale for b in scaled], [gain * b.scale for b in plain], rtol=1e-4)


def test_inverting_the_signal_keeps_the_beats_and_turns_the_windows(heart: Heart, run: Run) -> None:
    x, _ = heart(360.0)
    plain, turned = run(x, 360.0).beats, run(-x, 360.0).beats
    assert [b.r for b in plain] == [b.r for b in turned]
    assert all(np.array_equal(a.window, -b.window) for a, b in zip(plain, turned, strict=True))


def test_a_window_is_centred_on_its_r_peak_and_complete_when_ready(heart: Heart, run: Run) -> None:
    x, _ = heart(360.0)
    for beat in run(x, 360.0).beats[8:-2]:
        assert beat.good
        assert beat.window.shape == (WINDOW,)
        assert beat.window.dtype == np.float32
        assert int(np.argmax(np.abs(beat.window[R_INDEX - 40 : R_INDEX + 41]))) == 40
        assert WINDOW - R_INDEX <= (beat.ready - beat.r) * 125.0 <= 1.7 * 125.0


def test_a_kachuee_window_starts_at_the_r_peak_from_0_to_1(heart: Heart, run: Run) -> None:
    x, _ = heart(360.0)
    beats = run(x, 360.0, layout="kachuee").beats
    for i, beat in enumerate(beats[9:-2], start=9):
        assert beat.window[0] > 0.9
        assert beat.window.max() == 1.0
        assert beat.window.min() == 0.0
        length = round(1.2 * float(np.median([before.rr for before in beats[i - 8 : i]])) * 125.0)
        assert not beat.window[length + 8 :].any()
        assert beat.window[length - 20 : length - 8].any()


def test_a_beat_is_handed_out_no_later_than_it_says(heart: Heart) -> None:
    x, _ = heart(360.0)
    frontend = Frontend(360.0)
    seen = 0
    for start in range(0, len(x), 36):
        for beat in frontend.feed(x[start : start + 36]).beats:
            assert frontend.now - 0.15 <= beat.ready <= frontend.now
            seen += 1
    assert seen > 40


def test_given_r_peaks_replace_the_detector(heart: Heart) -> None:
    x, truth = heart(360.0)
    frontend = Frontend(360.0, r_peaks=truth[3:20:2])
    beats = frontend.feed(x).beats + frontend.flush().beats
    np.testing.assert_allclose([b.r for b in beats], truth[3:20:2], atol=0.012)


def test_a_gap_invents_no_beat_and_no_interval(heart: Heart) -> None:
    x, truth = heart(360.0)
    cut, back = round(15.2 * 360), round(21.7 * 360)
    frontend = Frontend(360.0)
    parts = [
        frontend.feed(x[:cut]),
        frontend.gap((back - cut) / 360.0),
        frontend.feed(x[back:]),
        frontend.flush(),
    ]
    beats = [b for part in parts for b in part.beats]
    seconds = [q for part in parts for q in part.quality]
    expected = [t for t in truth if t < 15.1 or t > 21.8]
    found = np.array([b.r for b in beats])
    assert all(np.abs(truth - r).min() <= 0.012 for r in found)
    assert all(np.abs(found - t).min() <= 0.012 for t in expected)
    assert np.isnan(next(b.rr for b in beats if b.r > 21.0))
    assert [q.second for q in seconds] == list(range(40))
    assert [q.second for q in seconds if q.missing] == [15, 16, 17, 18, 19, 20, 21]
    assert frontend.now == pytest.approx(40.0)


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_missing_samples_invent_no_beat_and_spoil_those_they_touch(
    heart: Heart, run: Run, missing: float
) -> None:
    x, truth = heart(360.0)
    for begin, end in ((12.0, 12.3), (20.1, 23.9), (30.0, 30.01)):
        x[round(begin * 360) : round(end * 360)] = missing
    out = run(x, 360.0)
    for beat in out.beats:
        assert np.abs(truth - beat.r).min() <= 0.05
        touched = any(
            begin - 0.7 < beat.r < end + 0.7 for begin, end in ((12.0, 12.3), (20.1, 23.9), (30.0, 30.01))
        )
        assert not (touched and beat.good)
    assert [q.second for q in out.quality if q.missing] == [12, 20, 21, 22, 23, 30]


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(0, np.float32),
        np.full(20_000, np.nan, np.float32),
        np.full(20_000, 3.3, np.float32),
        np.zeros(1, np.float32),
        np.array([np.nan, 1.0, np.inf], np.float32),
    ],
    ids=["nothing", "only NaN", "constant", "one sample", "three samples"],
)
def test_input_without_a_heart_gives_no_beats(run: Run, x: Any) -> None:
    assert run(x, 360.0).beats == []


def test_noise_alone_gives_no_good_beats(run: Run) -> None:
    x = np.random.default_rng(0).normal(size=360 * 60).astype(np.float32)
    assert not any(beat.good for beat in run(x, 360.0).beats)


@once
@given(
    st.lists(
        st.sampled_from((0.0, 1.0, -5.0, 1e6, np.nan, np.inf, 1e30)) | st.floats(-3, 3, width=32),
        max_size=300,
    ),
    st.sampled_from(RATES),
    st.floats(0.0, 5000.0),
)
def test_no_input_breaks_it(values: list[float], fs: float, gap: float) -> None:
    x = np.repeat(np.array(values, np.float32), 7)
    frontend = Frontend(fs)
    parts = [frontend.feed(x), frontend.gap(gap), frontend.feed(x[::-1]), frontend.flush()]
    beats = [b for part in parts for b in part.beats]
    assert all(np.isfinite(b.window).all() and b.scale > 0 and b.ready <= frontend.now for b in beats)
    assert all(a.r < b.r for a, b in pairwise(beats))
    seconds = [q.second for part in parts for q in part.quality]
    assert seconds == sorted(set(seconds))


@pytest.mark.parametrize("fs", [0.0, 99.9, 1000.1, float("nan"), -360.0])
def test_a_rate_outside_100_to_1000_hz_is_refused(fs: float) -> None:
    with pytest.raises(DataError, match="100 to 1000 Hz"):
        Frontend(fs)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_an_impossible_gap_is_refused(seconds: float) -> None:
    with pytest.raises(DataError, match="gap"):
        Frontend(360.0).gap(seconds)


@pytest.mark.parametrize(
    "constant",
    [
        "resample._KAISER_BETA",
        "filters.SECOND_MEDIAN",
        "rpeaks.W_HEIGHT",
        "rr.SIZES",
        "rr.SLOW",
        "beats.KEEP_SIGN",
        "quality.BLOCK",
        "types.R_INDEX",
    ],
)
def test_the_fingerprint_follows_every_part_of_the_signal_path(
    monkeypatch: pytest.MonkeyPatch, constant: str
) -> None:
    before = fingerprint()
    monkeypatch.setattr(f"ecgmon.ecg.{constant}", 77)
    assert fingerprint() != before


@pytest.mark.parametrize("level", [0.0, -5.0, 1e3])
@pytest.mark.parametrize("spike", [-2.0, 0.01, 8.0, 1e4])
def test_a_spike_on_a_flat_line_is_no_error(level: float, spike: float) -> None:
    """A lead that is plugged in."""
    y = np.full(15_000, level, np.float32)
    y[2376] += np.float32(spike)
    frontend = Frontend(250.0)
    seconds = [*frontend.feed(y).quality, *frontend.flush().quality]
    assert [second.second for second in seconds] == list(range(60))


@pytest.mark.parametrize("flat", [3, 7, 20])
def test_beats_are_found_behind_a_flat_beginning(heart: Heart, run: Run, flat: int) -> None:
    x, _ = heart(360.0)
    straight = run(x, 360.0).beats
    behind = run(np.concatenate((np.full(flat * 360, x[0]), x)).astype(x.dtype), 360.0).beats
    assert len(behind) >= len(straight) - 1
