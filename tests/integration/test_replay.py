"""``ecgmon replay`` against a real Mosquitto, read by the MQTT source."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgmon.cli import run
from ecgmon.ecg.types import Chunk
from ecgmon.sources.base import chunks
from ecgmon.sources.mqtt import MqttSettings, MqttSource
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource
from ecgmon.transport.broker import BrokerSettings

Broker = Any  # the fixture's class lives in conftest.py, which cannot be imported

START = 1_763_767_000.25


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Ten seconds of two leads at 250 Hz with converter steps of 5 µV, as CSV."""
    rng = np.random.default_rng(1)
    steps = rng.integers(-800, 800, (2500, 2))
    path = tmp_path / "bed7.csv"
    rows = "\n".join(f"{a / 200},{b / 200}" for a, b in steps)
    path.write_text(f"# fs: 250\nI,II\n{rows}\n")
    return path


def listen(broker: Broker) -> MqttSource:
    source = MqttSource(MqttSettings(broker=BrokerSettings(url=broker.url, protocol="5", fail_at_start=True)))
    source.open()
    return source


def collect(source: MqttSource, wait: float = 1.0) -> list[Chunk]:
    got = []
    while (chunk := source.get(wait)) is not None:
        got.append(chunk)
        assert chunk.ack is not None
        chunk.ack()
    source.close()
    return got


@pytest.mark.parametrize("payload", ["json", "msgpack", "binary"])
def test_a_record_arrives_as_the_file_source_reads_it(
    mosquitto: Broker, mitdb: Path, payload: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = listen(mosquitto)
    words = ["replay", str(mitdb / "208"), "--broker", mosquitto.url, "--speed", "0", "--payload", payload]
    assert run([*words, "--start-time", str(START), "--chunk", "4"]) == 0
    got = collect(source)
    expected = list(
        chunks(WfdbSource(WfdbSettings(records=[str(mitdb / "208")], start_time=START, chunk_seconds=4.0)))
    )
    assert [(c.stream, c.fs, c.leads, c.t, c.seq) for c in got] == [
        (c.stream, c.fs, c.leads, c.t, c.seq) for c in expected
    ]
    np.testing.assert_array_equal(
        np.concatenate([c.samples for c in got], axis=1),
        np.concatenate([c.samples for c in expected], axis=1),
    )
    assert f"{len(got)} messages acknowledged by the broker" in capsys.readouterr().out


def test_many_streams_get_names_of_their_own_and_the_same_samples(mosquitto: Broker, recording: Path) -> None:
    source = listen(mosquitto)
    words = ["replay", str(recording), "--broker", mosquitto.url, "--speed", "0", "--streams", "3"]
    assert run([*words, "--start-time", "2025-11-21T23:16:40Z"]) == 0
    got = collect(source)
    streams = {chunk.stream for chunk in got}
    assert streams == {"bed7-001", "bed7-002", "bed7-003"}
    assert {chunk.t for chunk in got if chunk.seq == 0} == {1_763_767_000.0}
    by_stream = [
        np.concatenate([c.samples for c in got if c.stream == name], axis=1) for name in sorted(streams)
    ]
    np.testing.assert_array_equal(by_stream[0], by_stream[2])
    assert by_stream[0].shape == (2, 2500)


def test_speed_is_kept(mosquitto: Broker, recording: Path) -> None:
    began = time.monotonic()
    assert run(["replay", str(recording), "--broker", mosquitto.url, "--speed", "10"]) == 0
    assert 0.95 < time.monotonic() - began < 4.0


def test_an_interrupt_ends_cleanly_and_says_what_was_published(mosquitto: Broker, recording: Path) -> None:
    source = listen(mosquitto)
    words = [
        sys.executable,
        "-m",
        "ecgmon.cli",
        "replay",
        str(recording),
        "--broker",
        mosquitto.url,
        "--chunk",
        "0.5",
    ]
    program = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(2):
        assert source.get(20.0) is not None
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=20)
    source.close()
    assert program.returncode == 130
    assert "interrupted" in out
    assert "Traceback" not in err


def test_a_broker_restarted_in_the_middle_loses_nothing(mosquitto: Broker, recording: Path) -> None:
    reach = BrokerSettings(
        url=mosquitto.url, client_id="reader", reconnect_min_seconds=0.05, reconnect_max_seconds=0.1
    )
    source = MqttSource(MqttSettings(broker=reach, persistent_session=True))
    source.open()
    words = [sys.executable, "-m", "ecgmon.cli", "replay", str(recording), "--broker", mosquitto.url]
    program = subprocess.Popen([*words, "--speed", "3", "--chunk", "0.1"], stdout=subprocess.PIPE, text=True)
    got = [source.get(20.0)]
    mosquitto.kill()
    time.sleep(0.3)
    mosquitto.start()
    out, _ = program.communicate(timeout=60)
    seen = {chunk.seq for chunk in [*got, *collect(source)] if chunk is not None}
    assert program.returncode == 0
    assert "100 messages acknowledged" in out
    assert seen == set(range(100))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--speed", "-1"], 2, "speed"),
        (["--streams", "0"], 2, "--streams"),
        (["--chunk", "0"], 2, "chunk_seconds"),
        (["--start-time", "yesterday"], 2, "start_time"),
        (["--topic", "ecg/samples"], 2, "template"),
        (["--broker", "http://x"], 2, "url"),
        (["--broker", "mqtt://me:s3cret@127.0.0.1:1"], 1, "connection refused"),
    ],
)
def test_wrong_options_are_one_line(
    recording: Path, words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = words if "--broker" in words else [*words, "--broker", "mqtt://127.0.0.1:1"]
    assert run(["replay", str(recording), *given]) == code
    err = capsys.readouterr().err
    assert told in err
    assert "s3cret" not in err
    assert "Traceback" not in err


def test_a_recording_that_is_missing_is_said(
    mosquitto: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", str(tmp_path / "none"), "--broker", mosquitto.url]) == 1
    assert "none" in capsys.readouterr().err


def test_sigterm_ends_a_replay_like_ctrl_c(mosquitto: Broker, recording: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "ecgmon.cli",
        "--debug",
        "replay",
        str(recording),
        "--broker",
        mosquitto.url,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(4)
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, errors
    assert "; interrupted" in out


def test_certificates_for_a_plain_url_are_refused(
    mosquitto: Broker, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", str(recording), "--broker", mosquitto.url, "--ca-file", "ca.pem"]) == 2
    assert "--ca-file: " in capsys.readouterr().err


def test_a_start_time_that_is_none_is_refused(
    mosquitto: Broker, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["replay", str(recording), "--broker", mosquitto.url, "--start-time", "nan", "--speed", "0"]
    assert run(words) == 2
    assert "start_time: nan is no time" in capsys.readouterr().err
