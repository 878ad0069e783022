"""The tutorial's commands, in its order, as it says them: on simulated patients, and with one epoch."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import wfdb

from ecgmon.ecg.simulated_events import EventRates
from ecgmon.ecg.simulator import simulate

TUTORIAL: Final = Path(__file__).resolve().parents[2] / "deploy" / "TUTORIAL.md"
BLOCK: Final = re.compile(r"^```sh ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SMALL: Final = {"epochs": "1", "folds": "2", "learning_seconds": "20.0"}
"""Less of all for a test; the keys are those of ``train.yaml``."""


def blocks() -> list[tuple[str, str]]:
    """Kind and commands: run and waited for where there is no kind, left running for ``background``."""
    return BLOCK.findall(TUTORIAL.read_text())


def recordings(folder: Path, download: str) -> None:
    """The records that the tutorial would download, of simulated patients; those to learn from are short."""
    index = 0
    for line in download.splitlines():
        out, names = re.findall(r"--(?:out|records) (\S+)", line)
        (folder / out).mkdir()
        for name in names.split(","):
            index += 1
            rates = EventRates(pvc=300, pac=200, run=60, pause=0, noise=0, motion=0, lead_off=0)
            seconds = 420 if out == "others" else 120
            samples, truth = simulate(seconds, 250, seed=5, index=index, rates=rates)
            wfdb.wrsamp(
                name, fs=250, units=["mV"], sig_name=["II"], p_signal=samples[:1].T.astype(np.float64),
                fmt=["16"], adc_gain=[200.0], baseline=[0], write_dir=str(folder / out),
            )  # fmt: skip
            at = np.array([round(beat.t * 250) for beat in truth.beats])
            wfdb.wrann(name, "atr", at, [b.symbol for b in truth.beats], fs=250, write_dir=str(folder / out))


def environment(folder: Path) -> dict[str, str]:
    """With ``ecgmon`` and the broker on the path."""
    program = folder / "bin" / "ecgmon"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ecgmon.cli "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}:/usr/sbin"}


def test_the_tutorial_ends_with_an_alert(tmp_path: Path, free_port: Callable[[], int]) -> None:
    for tool in ("mosquitto", "mosquitto_sub", "curl"):
        if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            if os.environ.get("CI") == "true":
                pytest.fail(f"{tool} is not installed")
            pytest.skip(f"{tool} is not installed")
    (kind, download), *steps = blocks()
    assert kind == "download"
    recordings(tmp_path, download)
    environ, ports = environment(tmp_path), {"1883": str(free_port()), "9464": str(free_port())}
    running: list[subprocess.Popen[bytes]] = []
    said = ""
    try:
        for kind, commands in steps:
            for line in here(commands, ports).splitlines():
                command = ["bash", "-euo", "pipefail", "-c", line]
                if kind == "background":
                    running.append(
                        subprocess.Popen(command, cwd=tmp_path, env=environ, start_new_session=True)
                    )
                    time.sleep(0.5)
                    continue
                done = subprocess.run(
                    command,
                    cwd=tmp_path,
                    env=environ,
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=False,
                )
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
                said += done.stdout
                adapt(tmp_path, ports)
    finally:
        for process in reversed(running):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    alerts = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert {alert["stream"] for alert in alerts} == {"208"}
    assert json.loads((tmp_path / "figures.json").read_text())["beats"]["n"] > 0
    assert '"kind": "anomalous-beats"' in said
    assert 'ecgmon_alerts_total{kind="anomalous-beats"' in said


def here(text: str, ports: dict[str, str]) -> str:
    """With ports that are free."""
    for port, free in ports.items():
        text = text.replace(port, free)
    return text


def adapt(folder: Path, ports: dict[str, str]) -> None:
    """What ``init`` wrote, made small, and with ports that are free."""
    train, serve = folder / "train.yaml", folder / "serve.yaml"
    if train.exists():
        text = train.read_text()
        for key, value in SMALL.items():
            text, found = re.subn(rf"^(\s*{key}:) \S+", rf"\1 {value}", text, flags=re.MULTILINE)
            assert found == 1, key
        train.write_text(text)
    if serve.exists():
        serve.write_text(here(serve.read_text(), ports))
