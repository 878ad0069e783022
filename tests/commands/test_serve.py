"""``serve`` and ``check`` as commands: real processes, files in, alerts out, errors in one line."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from ecgmon.ecg.types import Alert

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SICK = {"pvc": 900, "run": 240, "lead-off": 0}


def ecgmon(*words: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ecgmon.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)


def config(folder: Path, **keys: Any) -> Path:
    """A configuration of simulated patients, as fast as possible, into JSON lines; ``keys`` change it."""
    simulator = {
        "type": "simulator",
        "streams": 3,
        "seconds": 120,
        "speed": 0,
        "start_time": 1.7e9,
        "rates": SICK,
    }
    sinks = [{"type": "jsonl", "path": str(folder / "alerts.jsonl")}]
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump({"source": simulator, "sinks": sinks, "http": {"enabled": False}, **keys}))
    return path


def read_alerts(folder: Path) -> list[Alert]:
    lines = (folder / "alerts.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Alert) for line in lines]


def test_a_finite_source_ends_the_service_with_all_its_alerts_out(tmp_path: Path) -> None:
    done = ecgmon("serve", "--config", config(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "stopped: 0 received chunks not processed, 0 alerts not delivered" in done.stderr
    alerts = [a for a in read_alerts(tmp_path) if a.kind == "anomalous-beats"]
    assert {a.stream for a in alerts if a.state == "raised"}
    assert {a.id for a in alerts if a.state == "raised"} == {a.id for a in alerts if a.state == "cleared"}
    for alert in alerts:
        assert alert.evidence is not None
        assert alert.p_value is not None
        assert alert.threshold is not None
        assert alert.p_value <= alert.threshold
        assert len(alert.evidence.window) == len(alert.evidence.reconstruction) == 187


def test_the_same_input_gives_the_same_alert_ids(tmp_path: Path) -> None:
    ids = []
    for chunk_seconds in (1.0, 0.37):
        folder = tmp_path / str(chunk_seconds)
        folder.mkdir()
        path = config(folder)
        tree = yaml.safe_load(path.read_text())
        tree["source"]["chunk_seconds"] = chunk_seconds
        path.write_text(yaml.safe_dump(tree))
        assert ecgmon("serve", "--config", path).returncode == 0
        ids.append({(a.id, a.state) for a in read_alerts(folder)})
    assert ids[0] == ids[1]
    assert ids[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_endless_source_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    endless = {"type": "simulator", "streams": 2, "speed": 5}
    process = subprocess.Popen(
        [sys.executable, "-m", "ecgmon.cli", "serve", "--config", config(tmp_path, source=endless)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "watching:" in line:
                break
        time.sleep(0.5)
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert "stopped: 0 received chunks not processed" in rest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_ends_the_demo_at_once_with_its_last_alerts_delivered(
    tmp_path: Path, number: signal.Signals
) -> None:
    if importlib.util.find_spec("iotcore") is None:
        reason = "the demo's broker is not installed: pip install 'ecgmon[demo]'"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    tree = yaml.safe_load((CONFIGS / "demo.yaml").read_text().replace("18830", port))
    tree["http"]["port"] = 0
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(tree))
    process = subprocess.Popen(
        [sys.executable, "-m", "ecgmon.cli", "serve", "--config", path],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        began = time.monotonic()
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert "RAISED" in first
    assert time.monotonic() - began < 5
    assert process.returncode == 0
    assert "0 alerts not delivered" in errors


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sourcee": 1}, "unknown key 'sourcee'; did you mean 'source'?"),
        ({"batch": {"size": 0}}, "batch.size: Expected `int` >= 1"),
        ({"source": {"type": "wfdb"}}, "source: key 'records' is missing"),
    ],
)
def test_a_wrong_key_is_one_line_and_exit_2(
    tmp_path: Path, command: str, keys: dict[str, Any], message: str
) -> None:
    done = ecgmon(command, "--config", config(tmp_path, **keys))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert "serve.yaml" in done.stderr


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"source": {"type": "wfdb", "records": ["nowhere/100"]}}, "nowhere/100"),
        ({"model": {"path": "nowhere.safetensors"}}, "nowhere.safetensors"),
    ],
)
def test_a_missing_file_is_a_clear_error_and_exit_1(
    tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    done = ecgmon("serve", "--config", config(tmp_path, **keys))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ecgmon serve: ")
    assert message in last
    assert "Traceback" not in done.stderr


def test_a_source_that_fails_in_mid_course_ends_in_order_with_its_error(tmp_path: Path) -> None:
    csv = tmp_path / "bed.csv"
    rows = [f"{k / 250:.3f},{0.1 * (k % 200 == 0):.3f}" for k in range(20_000)]
    csv.write_text("\n".join(["time,II", *rows, "80.000,what?"]))
    source = {"type": "csv", "files": [str(csv)]}
    done = ecgmon("serve", "--config", config(tmp_path, source=source))
    assert done.returncode == 1
    stopped, error = done.stderr.splitlines()[-2:]
    assert "stopped: 0 received chunks not processed, 0 alerts not delivered" in stopped
    assert error.startswith("ecgmon serve: ")
    assert "bed.csv" in error


def nowhere(folder: Path, **keys: Any) -> Path:
    """A sick patient, as fast as possible, to a broker that is not there."""
    broker = {"url": "mqtt://127.0.0.1:1"}
    return config(folder, sinks=[{"type": "mqtt", "broker": broker}], **keys)


def test_a_finite_source_whose_alerts_cannot_be_delivered_is_exit_1(tmp_path: Path) -> None:
    done = ecgmon("serve", "--config", nowhere(tmp_path, shutdown_seconds=0.5))
    assert done.returncode == 1
    assert " 0 alerts not delivered" not in done.stderr
    assert " alerts not delivered" in done.stderr


def test_a_further_ctrl_c_cuts_the_wait_for_the_broker_short(tmp_path: Path) -> None:
    path = nowhere(tmp_path, shutdown_seconds=60, exit_when_done=False)
    process = subprocess.Popen(
        [sys.executable, "-m", "ecgmon.cli", "serve", "--config", path], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "watching:" in line:
                break
        time.sleep(5)
        process.send_signal(signal.SIGINT)
        time.sleep(1.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 3
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_an_unknown_lead_is_counted_and_the_service_lives_on(tmp_path: Path) -> None:
    done = ecgmon("serve", "--config", config(tmp_path, lead="aVR"))
    assert done.returncode == 0
    assert "chunk not used: no lead 'aVR'; there are: 0 II, 1 V1" in done.stderr


@pytest.mark.parametrize("name", ["demo.yaml", "serve.yaml"])
def test_check_says_what_a_shipped_configuration_would_run(name: str) -> None:
    done = ecgmon("check", "--config", CONFIGS / name)
    assert done.returncode == 0, done.stderr
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[:-1])
    assert {"source", "lead", "sink", "alert", "batch", "http", "model", "threshold"} <= set(rows)
    assert done.stdout.splitlines()[-1].endswith(f"{name}: good")


def test_check_warns_of_a_broker_that_anyone_can_read(tmp_path: Path) -> None:
    source = {"type": "mqtt", "broker": {"url": "mqtt://ward.example"}}
    done = ecgmon("check", "--config", config(tmp_path, source=source))
    assert done.returncode == 0
    assert "warning: source: mqtt://ward.example:1883 is plaintext and not local" in done.stderr


def test_check_names_each_thing_that_would_stop_it_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broker = {
        "url": "mqtts://ward.example", "username": "u", "password_file": str(tmp_path / "secret"),
        "tls": {"ca_file": str(tmp_path / "ca.pem")},
    }  # fmt: skip
    done = ecgmon(
        "check", "--config",
        config(
            tmp_path,
            source={"type": "wfdb", "records": ["nowhere/100"], "start_time": float("nan")},
            sinks=[
                {"type": "jsonl", "path": str(tmp_path / "no" / "a.jsonl")},
                {"type": "mqtt", "broker": broker},
            ],
            state_dir=str(tmp_path / "file" / "state"),
        ),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    for text in ("start_time: nan", "nowhere/100.hea", "a.jsonl cannot", "secret", "ca.pem", "state_dir: "):
        assert sum(text in line and line.startswith("ecgmon check: ") for line in lines) == 1, text
    assert len(lines) == 6
    source = {"type": "csv", "files": ["nowhere.csv"]}
    assert "nowhere.csv: no such file" in ecgmon("check", "--config", config(tmp_path, source=source)).stderr


@pytest.mark.parametrize("command", ["check", "serve"])
def test_another_rule_than_the_calibrated_one_is_warned_of(tmp_path: Path, command: str) -> None:
    alerts = {"anomalous_beats": {"raise_beats": 2}}
    done = ecgmon(command, "--config", config(tmp_path, alerts=alerts))
    assert done.returncode == 0
    assert "false alerts per hour were calibrated for 3 of 8 beats" in done.stderr
    assert "calibrated for" not in ecgmon(command, "--config", config(tmp_path)).stderr


def test_check_and_serve_show_no_password_whatever_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret-token-of-24-chars\n")
    (tmp_path / "short").write_text("s3cret\n")
    broker = {"url": "mqtt://me:s3cret@127.0.0.1:1", "fail_at_start": True, "protocol": "5"}
    source = {"type": "mqtt", "broker": broker}
    for keys in (
        {"http": {"port": 0, "token_file": str(tmp_path / "token")}},
        {"http": {"port": 0, "token_file": str(tmp_path / "short")}},
        {"batch": {"size": 0}},
        {"source": {"type": "mqtt", "broker": {"url": "mqtt://me:s3cret@h:x"}}},
    ):
        path = config(tmp_path, **{"source": source, **keys})
        for command in ("check", "serve"):
            done = ecgmon(command, "--debug", "--config", path)
            assert "s3cret" not in done.stdout + done.stderr
            assert command == "check" or done.returncode != 0
