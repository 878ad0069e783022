"""CSV of ready windows, as in the Kaggle heartbeat files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgmon.errors import DataError
from ecgmon.sources.windows import read_windows


def rows(n: int, columns: int = 187) -> list[list[str]]:
    rng = np.random.default_rng(1)
    return [[f"{value:.6f}" for value in rng.uniform(0, 1, columns)] for _ in range(n)]


def text(table: list[list[str]]) -> str:
    return "".join(",".join(row) + "\n" for row in table)


def test_windows_and_labels_are_read_as_they_stand(tmp_path: Path) -> None:
    table = rows(5000)
    labels = [f"{n % 5}.000000000000000000e+00" for n in range(5000)]
    (tmp_path / "w.csv").write_text(text([[*row, label] for row, label in zip(table, labels, strict=True)]))
    read = read_windows(tmp_path / "w.csv")
    np.testing.assert_array_equal(read.x, np.array(table, np.float64).astype(np.float32))
    assert read.labels is not None
    np.testing.assert_array_equal(read.labels, np.arange(5000) % 5)


def test_labels_and_a_header_are_optional(tmp_path: Path) -> None:
    table = rows(3)
    header = [f"v{n}" for n in range(187)]
    (tmp_path / "w.csv").write_text(text([header, *table]) + "\n")
    read = read_windows(tmp_path / "w.csv")
    assert read.labels is None
    assert read.x.shape == (3, 187)


@pytest.mark.parametrize(
    ("row", "column", "cell", "reason"),
    [
        (1, 5, "wide", "line 2, column 6: 'wide' is no number"),
        (2, 0, "", "line 3, column 1: '' is no number"),
        (2, 186, "nan", "line 3, column 187: not a finite number"),
        (0, 3, "inf", "line 1, column 4: not a finite number"),
        (1, 186, "-0.02", "line 2, column 187: -0.02 is outside of 0..1"),
        (2, 0, "250", "line 3, column 1: 250 is outside of 0..1"),
        (1, 187, "1.5", "line 2: the label 1.5 is no class"),
        (1, 187, "-1", "line 2: the label -1 is no class"),
        (1, 187, "1,0", "line 2: 189 cells"),
        (1, 4, "1,0,0", "line 2: 190 cells"),
    ],
)
def test_a_bad_cell_is_named_by_line(row: int, column: int, cell: str, reason: str, tmp_path: Path) -> None:
    table = [[*one, "0"] for one in rows(4)]
    table[row][column] = cell
    (tmp_path / "w.csv").write_text(text(table))
    with pytest.raises(DataError, match=r"w\.csv: ") as caught:
        read_windows(tmp_path / "w.csv")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_with_and_without_label_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(text([rows(1)[0], [*rows(1)[0], "0"]]))
    with pytest.raises(DataError, match="line 2: 188 cells where the first row has 187"):
        read_windows(tmp_path / "w.csv")


@pytest.mark.parametrize("content", ["", "\n\n", ",".join(f"v{n}" for n in range(187)) + "\n"])
def test_an_empty_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(content)
    with pytest.raises(DataError, match="empty: no row of 187 values"):
        read_windows(tmp_path / "w.csv")


def test_samples_are_no_windows_and_neither_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("1,2\n3,4\n")
    with pytest.raises(DataError, match="line 1: 2 cells; a window has 187 values"):
        read_windows(tmp_path / "w.csv")
    (tmp_path / "w.csv").write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(DataError, match="not text in UTF-8"):
        read_windows(tmp_path / "w.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_windows(tmp_path / "none.csv")
