"""``ecgmon download`` without a network: one line that says what to do."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest
import wfdb

from ecgmon.commands import download
from ecgmon.errors import TransportError, UsageError


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    download.add_arguments(parser)
    return parser.parse_args(words)


def test_no_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TransportError, match="mitdb: could not be fetched from PhysioNet") as caught:
        download.run(parse("mitdb", "--out", str(tmp_path / "x")))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_names_that_are_no_database_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no database name"):
        download.run(parse("http://x y", "--out", str(tmp_path)))
    with pytest.raises(UsageError, match="names no record"):
        download.run(parse("mitdb", "--out", str(tmp_path), "--records", " , "))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="name a folder"):
        download.run(parse("mitdb", "--out", str(tmp_path / "file")))


def test_records_are_named_by_commas_or_a_file(
    tmp_path: Path, mitdb: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def fetch(_db: str, folder: str, records: list[str]) -> None:
        """Stands in for PhysioNet, which no test may need."""
        print("Downloading files...")
        asked.append(records)
        for name in records:
            shutil.copy(mitdb / f"{name}.hea", folder)

    monkeypatch.setattr(wfdb, "dl_database", fetch)
    (tmp_path / "names").write_text("100\n101\n")
    assert download.run(parse("mitdb", "--out", str(tmp_path / "a"), "--records", "100, 101")) == 0
    assert (
        download.run(parse("mitdb", "--out", str(tmp_path / "b"), "--records", str(tmp_path / "names"))) == 0
    )
    assert asked == [["100", "101"]] * 2
    assert capsys.readouterr().out == f"{tmp_path / 'a'}: 2 records\n{tmp_path / 'b'}: 2 records\n"


def test_a_file_of_records_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_bytes(b"\xff\xfe1\x000\x000\x00")
    with pytest.raises(UsageError, match="not a readable file of text in UTF-8"):
        download.run(parse("mitdb", "--out", str(tmp_path / "out"), "--records", str(names)))
