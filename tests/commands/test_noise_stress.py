"""``ecgmon evaluate --noise``: real recordings with the recorded noise of the noise stress test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from ecgmon import cli
from ecgmon.commands.noise_stress import NoiseStress
from ecgmon.commands.recordings import truth
from ecgmon.ecg import noise
from ecgmon.sources.wfdb_record import Record


def evaluate(*arguments: object) -> int:
    return cli.run(["evaluate", "--model", "default", *map(str, arguments)])


def figures(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    assert evaluate(*arguments, "--json", "-") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.fixture(scope="module")
def stressed(mitdb: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    target = tmp_path_factory.mktemp("noise") / "figures.json"
    assert evaluate("--data", mitdb, "--records", "118", "--noise", "em:6", "--json", target) == 0
    found: dict[str, Any] = json.loads(target.read_bytes())
    return found


def test_noise_is_told_and_the_usual_keys_stay(stressed: dict[str, Any]) -> None:
    assert list(stressed) == ["qrs", "beats", "alerts", "records", "model", "data", "noise"]
    told = stressed["data"]["noise"]
    assert told["kinds"] == {"em": 6.0}
    assert told["protocol"] == {
        "name": "nst: Moody, Muldrow and Mark 1984",
        "clean_start_s": 300.0,
        "noisy_s": 120.0,
        "clean_s": 120.0,
    }
    for part in stressed["noise"].values():
        assert {"qrs", "beats", "alerts", "hours", "analysed_share"} <= part.keys()


def test_noise_does_harm_where_it_is_and_little_where_it_is_not(stressed: dict[str, Any]) -> None:
    noisy, clean = stressed["noise"]["noisy"], stressed["noise"]["clean"]
    assert noisy["qrs"]["150ms"]["f1"] < 0.99 < clean["qrs"]["150ms"]["f1"]
    assert noisy["analysed_share"] < clean["analysed_share"]
    assert noisy["qrs"]["150ms"]["n"] + clean["qrs"]["150ms"]["n"] == stressed["qrs"]["150ms"]["n"] == 1916
    assert noisy["hours"] == pytest.approx((6 * 120 + 650_000 / 360 - 1740) / 3600)


@pytest.mark.parametrize("level", ["em:0", "em:-6"])
def test_where_noise_drowns_the_heart_the_gate_keeps_alerts_from_it(
    level: str, mitdb: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = figures(capsys, "--data", mitdb, "--records", "118,119", "--noise", level)
    assert found["alerts"]["false_per_hour"] < 1.0
    assert found["noise"]["clean"]["analysed_share"] > 0.8


def test_next_to_no_noise_changes_next_to_nothing(mitdb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = figures(capsys, "--data", mitdb, "--records", "118")
    faint = figures(capsys, "--data", mitdb, "--records", "118", "--noise", "em:60")
    assert "noise" not in clean
    assert abs(faint["qrs"]["150ms"]["f1"] - clean["qrs"]["150ms"]["f1"]) < 1e-3
    assert abs(faint["beats"]["auroc"] - clean["beats"]["auroc"]) < 0.005
    assert abs(faint["beats"]["n_not_good"] - clean["beats"]["n_not_good"]) <= 5
    assert abs(faint["alerts"]["n"] - clean["alerts"]["n"]) <= 1


@pytest.mark.parametrize("snr", [6.0, -6.0])
def test_what_is_added_to_a_recording_has_the_power_that_was_asked_for(
    data: Path, mitdb: Path, snr: float
) -> None:
    """Over the whole of ``ma``, which is much the same throughout, in both leads."""
    record = mitdb / "119"
    clean = np.concatenate(list(Record(record).blocks()), axis=1)
    mixed = NoiseStress({"ma": snr}, data / "nstdb", mitdb).mixer(record, truth(record)).feed(clean)
    seconds = (mixed - clean).astype(np.float64)[:, : 1800 * 360].reshape(2, 1800, 360).std(axis=2)
    on = noise.noisy(np.arange(1800.0))
    for lead, qrs in ((0, 2.375), (1, 1.222)):  # mV, as sigamp measures it
        realised = 10 * np.log10(qrs**2 / 8 / noise.trimmed_mean(seconds[lead][on]) ** 2)
        assert realised == pytest.approx(snr, abs=1.0)
    assert seconds[:, ~on].max() < 1e-6


def test_several_kinds_and_a_recording_of_another_rate_and_a_longer_one_than_the_noise(
    data: Path, mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(
        mitdb, tmp_path / "db", ignore=lambda _, names: [n for n in names if not n.startswith("100.")]
    )
    header = tmp_path / "db" / "100.hea"
    header.write_text(header.read_text().replace("100 2 360 650000", "100 2 250 650000"))
    noises = tmp_path / "short"
    noises.mkdir()
    for kind in ("em", "ma"):
        read = wfdb.rdrecord(str(data / "nstdb" / kind), sampto=360 * 200, physical=False)
        wfdb.wrsamp(
            kind, fs=360, units=["mV", "mV"], sig_name=["a", "b"], d_signal=read.d_signal.astype(np.int64),
            fmt=["16", "16"], adc_gain=[200.0, 200.0], baseline=[0, 0], write_dir=str(noises),
        )  # fmt: skip
    found = figures(
        capsys,
        "--data",
        tmp_path / "db",
        "--records",
        "100",
        "--noise",
        "em:24,ma:18",
        "--noise-data",
        noises,
    )
    assert found["data"]["noise"]["kinds"] == {"em": 24.0, "ma": 18.0}
    assert found["data"]["noise"]["path"] == str(noises)
    assert found["noise"]["noisy"]["hours"] + found["noise"]["clean"]["hours"] == pytest.approx(2300 / 3600)
    assert found["noise"]["noisy"]["qrs"]["150ms"]["f1"] > 0.8


def test_the_table_has_a_line_for_each_part(mitdb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--data", mitdb, "--records", "118", "--noise", "ma:12", "--beats", "reference") == 0
    text = capsys.readouterr().out
    assert "noise: ma 12 dB" in text
    assert "parts with noise" in text
    assert "parts without" in text


WRONG = {
    "6": "'6' is no kind of noise; there are em, ma, bw",
    "hum:6": "'hum' is no kind of noise",
    "em": "'em': want em:DB",
    "em:loud": "'em:loud': want em:DB, a signal-to-noise ratio of -100 to 100 dB",
    "em:nan": "'em:nan': want em:DB",
    "em:101": "'em:101': want em:DB",
    "em:6,em:12": "em is asked for twice",
    "": "'' is no kind of noise",
}


@pytest.mark.parametrize("text", WRONG)
def test_noise_that_makes_no_sense_is_refused(
    text: str, mitdb: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate("--data", mitdb, "--records", "118", "--noise", text)
    assert stopped.value.code == 2
    assert WRONG[text] in capsys.readouterr().err


def test_noise_records_are_looked_for_beside_the_data_and_where_ecgmon_data_points(
    data: Path,
    mitdb: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    db = tmp_path / "db"
    shutil.copytree(mitdb, db, ignore=lambda _, names: [n for n in names if not n.startswith("118.")])
    words = ("--data", db, "--records", "118", "--noise", "em:6")
    monkeypatch.delenv("ECGMON_DATA", raising=False)
    assert evaluate(*words) == 2
    assert (
        f"no noise records in {tmp_path / 'nstdb'}; name their folder with --noise-data"
        in capsys.readouterr().err
    )
    monkeypatch.setenv("ECGMON_DATA", str(data))
    assert NoiseStress({"em": 6.0}, None, db).describe()["path"] == str(data / "nstdb")
    (tmp_path / "nstdb").symlink_to(data / "nstdb")
    assert NoiseStress({"em": 6.0}, None, db).describe()["path"] == str(tmp_path / "nstdb")


def test_a_folder_that_is_not_there_or_holds_no_noise_is_told(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--data", mitdb, "--records", "118", "--noise", "em:6", "--noise-data")
    assert evaluate(*words, tmp_path / "no") == 2
    assert "no such folder; --noise-data names one" in capsys.readouterr().err
    assert evaluate(*words, tmp_path) == 2
    assert "holds no noise record 'em'" in capsys.readouterr().err
    assert evaluate("--data", mitdb, "--records", "118", "--noise-data", tmp_path) == 2
    assert "say which with --noise" in capsys.readouterr().err


def test_ready_windows_have_no_time_to_add_noise_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "windows.csv"
    table.write_text("\n".join(",".join(["0.5"] * 187 + ["0"]) for _ in range(3)))
    assert evaluate("--data", table, "--noise", "em:6") == 2
    assert "--noise is for recordings" in capsys.readouterr().err


def test_a_recording_without_a_beat_to_measure_is_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wfdb.wrsamp(
        "v", fs=360, units=["mV"], sig_name=["II"], p_signal=np.zeros((36000, 1)), fmt=["16"],
        adc_gain=[200.0], baseline=[0], write_dir=str(tmp_path),
    )  # fmt: skip
    wfdb.wrann("v", "atr", np.array([1000, 2000]), ["V", "V"], fs=360, write_dir=str(tmp_path))
    words = ("--data", tmp_path, "--noise", "em:6", "--noise-data", data / "nstdb")
    assert evaluate(*words) == 1
    assert "v: no QRS complex to measure noise by" in capsys.readouterr().err
