"""CSV files of samples: what is understood, and what is refused with file and line."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgmon.ecg.types import Chunk
from ecgmon.errors import DataError, UsageError
from ecgmon.sources import csv_reader
from ecgmon.sources.base import chunks
from ecgmon.sources.csv import CsvSettings, CsvSource

NAN = np.nan


def play(
    file: Path, text: str | None = None, *, fs: float | None = None, unit: str | None = None
) -> list[Chunk]:
    if text is not None:
        file.write_text(text, encoding="utf-8")
    return list(chunks(CsvSource(CsvSettings(files=[str(file)], fs=fs, unit=unit))))


def refused(file: Path, text: str, *, fs: float | None = 360.0, unit: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        play(file, text, fs=fs, unit=unit)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{file}: ")
    return str(caught.value).removeprefix(f"{file}: ")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "walk.csv"


def test_numbers_alone_are_leads_in_millivolts(file: Path) -> None:
    (chunk,) = play(file, "0.1,1\n0.2,2\n-0.3,3\n", fs=360)
    assert (chunk.stream, chunk.fs, chunk.leads, chunk.end) == ("walk", 360.0, ("lead0", "lead1"), True)
    np.testing.assert_array_equal(chunk.samples, np.array([[0.1, 0.2, -0.3], [1, 2, 3]], np.float32))


def test_comments_declare_rate_and_unit_and_the_header_names_leads(file: Path) -> None:
    (chunk,) = play(file, "# fs: 250 Hz\n# unit: uV\n\nII;V1\n1000;-500\n;20\n")
    assert (chunk.fs, chunk.leads) == (250.0, ("II", "V1"))
    np.testing.assert_array_equal(chunk.samples, np.array([[1.0, NAN], [-0.5, 0.02]], np.float32))


def test_settings_go_before_what_the_file_says(file: Path) -> None:
    (chunk,) = play(file, "# fs: 250\n# unit: uV\nII\n1\n2\n", fs=500, unit="V")
    assert chunk.fs == 500
    np.testing.assert_array_equal(chunk.samples, np.array([[1000, 2000]], np.float32))


@pytest.mark.parametrize("missing", ["", "nan", "NaN", "-", "NA", " "])
def test_a_cell_without_a_number_in_it_is_a_missing_sample(missing: str, file: Path) -> None:
    (chunk,) = play(file, f"a,b\n1,2\n{missing},4\n5,6\n", fs=100)
    np.testing.assert_array_equal(chunk.samples, [[1, NAN, 5], [2, 4, 6]])


@pytest.mark.parametrize(
    ("name", "per_second", "digits"),
    [("time", 1, 3), ("t (ms)", 1000, 0), ("Elapsed time", 1, 6), ("time_us", 1e6, 0)],
)
@pytest.mark.parametrize("fs", [128, 250, 257, 360, 500])
def test_times_give_the_rate(name: str, per_second: float, digits: int, fs: int, file: Path) -> None:
    rows = "".join(f"{n / fs * per_second:.{digits}f},{n}\n" for n in range(2000))
    got = play(file, f"{name},II\n{rows}")
    assert {chunk.fs for chunk in got} == {float(fs)}
    assert got[0].leads == ("II",)
    np.testing.assert_array_equal(
        np.concatenate([chunk.samples for chunk in got], axis=1)[0], np.arange(2000)
    )


def test_a_rate_that_is_no_whole_number_is_kept(file: Path) -> None:
    (chunk,) = play(file, "t,II\n" + "".join(f"{n / 31.25:.4f},1\n" for n in range(30)))
    assert chunk.fs == pytest.approx(31.25, rel=1e-4)


@pytest.mark.parametrize("rows", [8192, 7, 1])
def test_gaps_in_time_are_missing_samples(rows: int, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader.CsvRecord._rows, "__defaults__", (rows,))
    kept = [n for n in range(400) if not 100 <= n < 153]
    got = play(file, "time,II\n" + "".join(f"{n / 100:.2f},{n}\n" for n in kept))
    expected = np.arange(400, dtype=np.float32)
    expected[100:153] = NAN
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in got], axis=1)[0], expected)


def test_times_since_1970_date_the_recording(file: Path) -> None:
    got = play(file, "time,II\n" + "".join(f"{1.7e9 + n / 100:.2f},{n}\n" for n in range(150)))
    assert [chunk.t for chunk in got] == [1.7e9, 1.7e9 + 1]


@given(values=st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=60), rows=st.integers(1, 70))
@settings(max_examples=40, deadline=None)
def test_reading_in_blocks_changes_no_sample(
    values: list[float], rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("csv") / "x.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_reader.CsvRecord._rows, "__defaults__", (rows,))
        got = play(file, "".join(f"{value!r}\n" for value in values), fs=50)
    np.testing.assert_array_equal(
        np.concatenate([chunk.samples for chunk in got], axis=1)[0], np.array(values, np.float32)
    )


def test_a_long_file_is_read_with_a_few_megabytes(file: Path) -> None:
    with file.open("w") as out:
        for _ in range(20):
            out.write("0.125,-0.25\n" * 10_000)
    tracemalloc.start()
    try:
        length = sum(
            chunk.samples.shape[1] for chunk in chunks(CsvSource(CsvSettings(files=[str(file)], fs=500)))
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert length == 200_000
    assert peak < 6e6


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty: no row of samples"),
        ("\n\n", "empty: no row of samples"),
        ("# fs: 360\n", "empty: no row of samples"),
        ("II,V1\n", "empty: no row of samples"),
        ("II,V1\n1,2\nlead off,3\n", "line 3, column 1: 'lead off' is no number"),
        ("1,2\n3,4\n5,six\n", "line 3, column 2: 'six' is no number"),
        ("1,2\n3,inf\n", "line 2, column 2: 'inf' is no number"),
        ("1,2\n3\n", "line 2: 1 cells where the first row has 2"),
        ("# note\n1,2\n\n3,4,5\n", "line 4: 3 cells where the first row has 2"),
        ('1,2\n"3,4\n', "line 2: "),
        ("time,II\n0,1\n0.1,2\n", "declared as 360 Hz, its times run at 10 Hz"),
        ("time (h),II\n0,1\n", "the unit of column 'time (h)' is unknown"),
        (
            "time,II\n" + "".join(f"{n / 360},1\n" for n in range(400)) + "0.5,1\n",
            "line 402: time goes on by -0.6",
        ),
        ("time,II\n0,1\n0.00278,2\n,3\n", "line 4, column 1: '' is no number"),
        ("time\n0\n1\n", "0 columns of samples"),
        ("# unit: mmHg\n1,2\n", "the unit 'mmHg' is no voltage"),
    ],
)
def test_bad_files_are_refused_with_the_line(text: str, reason: str, file: Path) -> None:
    assert refused(file, text).startswith(reason)


def test_a_file_that_tells_no_rate_is_refused(file: Path) -> None:
    assert refused(file, "1\n2\n", fs=None).startswith("no rate: set fs")
    assert refused(file, "# fs: fast\n1\n", fs=None).startswith("'# fs: fast' is no rate")
    assert refused(file, "# fs: 0\n1\n", fs=None).startswith("a rate of 0 Hz")


def test_what_is_no_text_and_what_is_not_there_is_refused(file: Path) -> None:
    file.write_bytes(bytes(range(128, 256)))
    with pytest.raises(DataError, match="not text in UTF-8"):
        play(file, fs=100)
    with pytest.raises(DataError, match=r"none\.csv: cannot be read \(No such file"):
        play(file.with_name("none.csv"), fs=100)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    names = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        names.append(tmp_path / folder / "x.csv")
        names[-1].write_text("1\n")
    with pytest.raises(UsageError, match="two are named x"):
        CsvSource(CsvSettings(files=[str(name) for name in names], fs=100)).open()


def test_a_file_whose_name_fits_no_topic_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pat #1+.csv"
    path.write_text("# fs: 250\nI\n0.1\n0.2\n")
    with pytest.raises(DataError, match=r"pat #1\+\.csv: .*may not name a stream.*rename the file"):
        CsvSource(CsvSettings(files=[str(path)])).open()
