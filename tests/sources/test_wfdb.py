"""WFDB records of all formats, as whole as in memory and never more of them read than needed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecgmon.ecg.types import Samples
from ecgmon.errors import DataError, UsageError
from ecgmon.sources import wfdb_record
from ecgmon.sources.base import chunks
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource
from ecgmon.sources.wfdb_record import Record

LOWEST = {"80": 8, "212": 12, "310": 10, "311": 10, "16": 16, "61": 16, "160": 16, "24": 24, "32": 32,
          "508": 8, "516": 16, "524": 24}  # fmt: skip


def write(
    folder: Path,
    name: str = "r",
    *,
    fmt: str = "16",
    n: int = 1001,
    holes: Sequence[int] = (),
    **options: Any,
) -> NDArray[np.int64]:
    """A record of two leads whose samples, slow sines with noise, fit the format; returns them, [n, 2]."""
    rng = np.random.default_rng(4)
    reach = 2 ** (LOWEST.get(fmt, 8) - 1) - 1
    t = np.arange(n)[:, None] + np.array([0, 40])
    adc: NDArray[np.int64] = np.rint(
        np.sin(t / 60) * min(reach * 0.8, 3e8) + rng.normal(0, 1, (n, 2))
    ).astype(np.int64)
    adc[list(holes), 0] = -reach - 1
    defaults = {"fs": 360, "units": ["mV", "mV"], "sig_name": ["II", "V1"], "adc_gain": [200.0, 100.0],
                "baseline": [3, -5], "fmt": [fmt, fmt]}  # fmt: skip
    if fmt in PACKED:  # wfdb reads these and does not write them
        defaults["fmt"] = ["16", "16"]
    wfdb.wrsamp(name, d_signal=adc, write_dir=str(folder), **(defaults | options))
    if fmt in PACKED:
        (folder / f"{name}.dat").write_bytes(PACKED[fmt](adc))
        header = (folder / f"{name}.hea").read_text().replace("dat 16 ", f"dat {fmt} ")
        (folder / f"{name}.hea").write_text(header)
    return adc


def tens(adc: NDArray[np.int64]) -> NDArray[np.int64]:
    """Samples as unsigned 10-bit numbers in threes, [n, 3]."""
    flat: NDArray[np.int64] = np.bitwise_and(adc, 0x3FF).reshape(-1)
    padded: NDArray[np.int64] = np.concatenate([flat, np.zeros(-len(flat) % 3, np.int64)])
    return padded.reshape(-1, 3)


def packed_310(adc: NDArray[np.int64]) -> bytes:
    a, b, c = tens(adc).T
    return np.stack([a << 1 | (c & 31) << 11, b << 1 | (c >> 5) << 11], axis=1).astype("<u2").tobytes()


def packed_311(adc: NDArray[np.int64]) -> bytes:
    a, b, c = tens(adc).T
    words: NDArray[np.uint32] = (a | b << 10 | c << 20).astype("<u4")
    return words.tobytes()


def differences(adc: NDArray[np.int64]) -> bytes:
    return np.diff(adc, axis=0, prepend=adc[:1]).astype("<i1").tobytes()


PACKED: dict[str, Callable[[NDArray[np.int64]], bytes]] = {
    "8": differences,
    "61": lambda adc: adc.astype(">i2").tobytes(),
    "160": lambda adc: (adc + 32768).astype("<u2").tobytes(),
    "310": packed_310,
    "311": packed_311,
}


def samples(path: Path | str, seconds: float = 1.0) -> Samples:
    source = WfdbSource(WfdbSettings(records=[str(path)], chunk_seconds=seconds))
    return np.concatenate([chunk.samples for chunk in chunks(source)], axis=1)


def refused(path: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        WfdbSource(WfdbSettings(records=[str(path)])).open()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(header: Path, old: str, new: str) -> None:
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))


@pytest.mark.parametrize("fmt", sorted({*LOWEST, "8"}))
def test_each_format_gives_the_written_samples_however_it_is_cut(
    fmt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adc = write(tmp_path, fmt=fmt)
    expected = ((adc - [3, -5]) / [200.0, 100.0]).astype(np.float32).T
    for block in (2 * 1001, 2 * 7, 2):
        monkeypatch.setattr(wfdb_record, "_BLOCK_SAMPLES", block)
        np.testing.assert_array_equal(samples(tmp_path / "r", 0.4), expected)


@pytest.mark.parametrize("fmt", sorted(LOWEST))
def test_the_mark_for_no_sample_of_each_format_is_nan(fmt: str, tmp_path: Path) -> None:
    write(tmp_path, fmt=fmt, holes=[7, 8])
    x = samples(tmp_path / "r")
    assert list(np.flatnonzero(np.isnan(x[0]))) == [7, 8]
    assert not np.isnan(x[1]).any()


@given(seconds=st.floats(0.05, 700.0), block=st.integers(700, 40_000))
@settings(max_examples=10, deadline=None)
def test_no_cutting_of_a_real_record_changes_a_sample(seconds: float, block: int, mitdb: Path) -> None:
    expected = wfdb.rdrecord(str(mitdb / "208"), sampto=20_000).p_signal.T.astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wfdb_record, "_BLOCK_SAMPLES", 2 * block)
        got: list[Samples] = []
        for chunk in chunks(WfdbSource(WfdbSettings(records=[str(mitdb / "208")], chunk_seconds=seconds))):
            got.append(chunk.samples)
            if sum(piece.shape[1] for piece in got) >= 20_000:
                break
    np.testing.assert_array_equal(np.concatenate(got, axis=1)[:, :20_000], expected)


def test_a_whole_record_of_mit_bih_is_what_wfdb_reads(mitdb: Path) -> None:
    expected = wfdb.rdrecord(str(mitdb / "100")).p_signal.T.astype(np.float32)
    np.testing.assert_array_equal(samples(mitdb / "100.hea", 10), expected)


def test_a_day_of_recording_is_read_with_a_few_megabytes(tmp_path: Path) -> None:
    n = 86_400 * 128
    np.zeros(2 * n, "<i2").tofile(tmp_path / "day.dat")
    (tmp_path / "day.hea").write_text(
        f"day 2 128 {n}\nday.dat 16 200 16 0 0 0 0 I\nday.dat 16 200 16 0 0 0 0 II\n"
    )
    source = WfdbSource(WfdbSettings(records=[str(tmp_path / "day")], chunk_seconds=60))
    tracemalloc.start()
    try:
        length = sum(chunk.samples.shape[1] for chunk in chunks(source))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert length == n
    assert peak < 30e6 < 2 * n * 4


def test_units_become_millivolts_and_what_is_no_voltage_is_left_out(tmp_path: Path) -> None:
    adc = write(tmp_path, units=["uV", "mmHg"])
    x = samples(tmp_path / "r")
    assert x.shape[0] == 1
    np.testing.assert_array_equal(x[0], ((adc[:, 0] - 3) / 200 * 1e-3).astype(np.float32))
    write(tmp_path, "p", units=["NU", "mmHg"])
    assert "units are NU, mmHg" in refused(tmp_path / "p")


def test_signals_of_several_samples_per_frame_keep_them_all(tmp_path: Path) -> None:
    fast, slow = np.arange(80), np.arange(20)
    wfdb.wrsamp(
        "r", fs=90, units=["mV", "mV"], sig_name=["II", "V1"], e_d_signal=[fast, slow], adc_gain=[1.0, 1.0],
        baseline=[0, 0], fmt=["16", "16"], samps_per_frame=[4, 1], write_dir=str(tmp_path),
    )  # fmt: skip
    record = Record(tmp_path / "r")
    assert (record.fs, record.length) == (360.0, 80)
    np.testing.assert_array_equal(samples(tmp_path / "r"), [fast, np.repeat(slow, 4)])


@pytest.mark.parametrize("fmt", ["16", "8"])
def test_skewed_signals_are_aligned(fmt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adc = write(tmp_path, fmt=fmt, n=50, adc_gain=[1.0, 1.0], baseline=[0, 0])
    lines = (tmp_path / "r.hea").read_text().splitlines()
    (tmp_path / "r.hea").write_text("\n".join(
        [lines[0], lines[1].replace(f" {fmt} ", f" {fmt}:3 "), lines[2].replace(f" {fmt} ", f" {fmt}:1 ")]
    ))  # fmt: skip
    nan = np.full(3, np.nan)
    for block in (1000, 14):
        monkeypatch.setattr(wfdb_record, "_BLOCK_SAMPLES", block)
        x = samples(tmp_path / "r")
        np.testing.assert_array_equal(x[0], np.concatenate([adc[3:, 0], nan]))
        np.testing.assert_array_equal(x[1], np.concatenate([adc[1:, 1], nan[:1]]))


def test_a_record_of_several_segments_with_a_gap_is_one_stream(tmp_path: Path) -> None:
    first, last = write(tmp_path, "a", n=100), write(tmp_path, "b", n=60, sig_name=["V1", "V5"])
    layout = "~ 0 200/mV 16 0 0 0 0 II\n~ 0 200/mV 16 0 0 0 0 V1\n~ 0 1/mmHg 16 0 0 0 0 ABP\n"
    (tmp_path / "m_layout.hea").write_text("m_layout 3 360 0\n" + layout)
    (tmp_path / "m.hea").write_text("m/4 3 360 190\nm_layout 0\na 100\n~ 30\nb 60\n")
    record = Record(tmp_path / "m")
    x = samples(tmp_path / "m", 0.1)
    assert (record.leads, record.length) == (("II", "V1"), 190)
    gain, base = [200.0, 100.0], [3, -5]
    np.testing.assert_array_equal(x[:, :100], ((first - base) / gain).astype(np.float32).T)
    assert np.isnan(x[:, 100:130]).all()
    assert np.isnan(x[0, 130:]).all()
    np.testing.assert_array_equal(x[1, 130:], ((last[:, 0] + -3) / 200).astype(np.float32))


def test_a_record_of_fixed_layout_is_its_segments_in_a_row(tmp_path: Path) -> None:
    parts = [write(tmp_path, name, n=n) for name, n in (("a", 100), ("b", 60))]
    (tmp_path / "m.hea").write_text("m/2 2 360 160\na 100\nb 60\n")
    expected = ((np.concatenate(parts) - [3, -5]) / [200.0, 100.0]).astype(np.float32).T
    np.testing.assert_array_equal(samples(tmp_path / "m"), expected)
    (tmp_path / "m.hea").write_text("m/2 2 360 170\na 110\nb 60\n")
    assert "100 samples where" in refused(tmp_path / "m")
    (tmp_path / "m.hea").write_text("m/2 2 250 160\na 100\nb 60\n")
    assert "360 Hz in a record of 250 Hz" in refused(tmp_path / "m")


def test_a_header_without_length_takes_it_from_the_file(tmp_path: Path) -> None:
    adc = write(tmp_path, n=200)
    edit(tmp_path / "r.hea", "r 2 360 200", "r 2 360")
    np.testing.assert_array_equal(
        samples(tmp_path / "r"), ((adc - [3, -5]) / [200.0, 100.0]).astype(np.float32).T
    )


def test_leads_and_dates_come_from_the_header(tmp_path: Path) -> None:
    write(tmp_path, sig_name=["II", "V1"])
    edit(tmp_path / "r.hea", "V1", "II")
    edit(tmp_path / "r.hea", "r 2 360 1001", "r 2 360 1001 12:00:00.500 24/12/2020")
    source = WfdbSource(WfdbSettings(records=[str(tmp_path / "r")]))
    first = next(iter(chunks(source)))
    assert (first.stream, first.leads, first.fs, first.t) == ("r", ("II", "II-2"), 360.0, 1608811200.5)


def test_records_play_side_by_side_and_end_each(mitdb: Path) -> None:
    names = [str(mitdb / name) for name in ("100", "101")]
    got = list(chunks(WfdbSource(WfdbSettings(records=names, chunk_seconds=600))))
    assert [chunk.stream for chunk in got] == ["100", "101", "100", "101", "100", "101", "100", "101"]
    assert [chunk.stream for chunk in got if chunk.end] == ["100", "101"]


def test_two_records_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder)
    with pytest.raises(UsageError, match="two are named r"):
        WfdbSource(WfdbSettings(records=[str(tmp_path / "a" / "r"), str(tmp_path / "b" / "r")])).open()


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "none").startswith(f"{tmp_path / 'none'}.hea: no such record")


@pytest.mark.parametrize("fmt", ["16", "212", "310", "24"])
def test_a_truncated_signal_file_is_refused_before_the_first_chunk(fmt: str, tmp_path: Path) -> None:
    write(tmp_path, fmt=fmt)
    file = tmp_path / "r.dat"
    file.write_bytes(file.read_bytes()[:-8])
    message = refused(tmp_path / "r")
    assert message.startswith(f"{file}: truncated: holds ")
    assert "of the 1001 samples" in message


def test_a_missing_signal_file_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "r.dat").unlink()
    assert f"{tmp_path / 'r.dat'}: cannot be read (No such file" in refused(tmp_path / "r")


def test_a_damaged_flac_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, fmt="516")
    (tmp_path / "r.dat").write_bytes(b"no flac at all")
    assert "not a readable FLAC file" in refused(tmp_path / "r")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "not a readable WFDB header"),
        ("\x00\xff\x01 nonsense", "not a readable WFDB header"),
        ("r 2 360 10\nr.dat 16 200 16 0 0 0 0 II\n", "announces 2 signals, describes 1"),
        ("r 0 360 10\n", "announces 0 signals"),
        ("r 1 0 10\nr.dat 16 200 16 0 0 0 0 II\n", "a rate of 0 samples per second"),
        ("r 1 999999999 10\nr.dat 16 200 16 0 0 0 0 II\n", "a rate of 999999999 samples per second"),
        ("r 1 360 0\nr.dat 16 200 16 0 0 0 0 II\n", "holds no samples"),
        ("r 1 360 99999999999999999\nr.dat 16 200 16 0 0 0 0 II\n", "truncated"),
        ("r 1 360 10\nr.dat 99 200 16 0 0 0 0 II\n", "unknown signal format 99"),
        ("r 1 360 10\nr.dat 16 1e999 16 0 0 0 0 II\n", "has the gain inf"),
        ("r 1 360 10\n../../x.dat 16 200 16 0 0 0 0 II\n", "not a readable WFDB header"),
        ("r/2 1 360 10\n", "not a readable WFDB header"),
    ],
)
def test_absurd_headers_are_refused_in_one_line(header: str, reason: str, tmp_path: Path) -> None:
    np.zeros(10, "<i2").tofile(tmp_path / "r.dat")
    (tmp_path / "r.hea").write_bytes(header.encode("latin-1"))
    message = refused(tmp_path / "r")
    assert message.startswith(str(tmp_path / "r.hea")) or reason == "truncated"
    assert reason in message


@given(data=st.binary(max_size=120))
@settings(max_examples=60, deadline=None)
def test_no_header_whatever_makes_more_than_a_data_error(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "r.hea").write_bytes(b"r 1 360 10 " + data)
    np.zeros(10, "<i2").tofile(folder / "r.dat")
    try:
        samples(folder / "r")
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
