"""The unit, by systemd's own judgement, and beside the configuration that it is made for."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecgmon.monitor.exposure import warnings
from ecgmon.monitor.settings import ServeSettings, load
from ecgmon.sources.mqtt import MqttSettings

SYSTEMD = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
PROGRAM = "/opt/ecgmon/.venv/bin/ecgmon"
MOST_EXPOSED = 15
"""Tenths of systemd's scale from 0 to 10: 2 and below is its best word."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


@pytest.fixture
def unit() -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(SYSTEMD / "ecgmon.service")
    return parser["Service"]


@pytest.fixture
def settings() -> ServeSettings:
    return load(SYSTEMD / "serve.yaml")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy whose program exists on this machine; systemd looks."""
    text = (SYSTEMD / "ecgmon.service").read_text()
    assert text.count(f"ExecStart={PROGRAM} ") == 1
    file = tmp_path / "ecgmon.service"
    file.write_text(text.replace(f"ExecStart={PROGRAM} ", "ExecStart=/bin/true "))
    return file


@needs_systemd
@pytest.mark.parametrize("with_gpu", [False, True])
def test_systemd_understands_every_line(installed: Path, *, with_gpu: bool) -> None:
    if with_gpu:
        folder = installed.with_name("ecgmon.service.d")
        folder.mkdir()
        shutil.copy(SYSTEMD / "gpu.conf", folder)
    done = subprocess.run(
        ["systemd-analyze", "verify", installed], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_a_wrong_line_would_be_noticed(installed: Path) -> None:
    installed.write_text(installed.read_text().replace("ProtectHome=yes", "ProtectHome=perhaps"))
    done = subprocess.run(
        ["systemd-analyze", "verify", installed], capture_output=True, text=True, timeout=60, check=False
    )
    assert "perhaps" in done.stderr


@needs_systemd
def test_systemd_finds_little_exposed(installed: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(installed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_times_fit_the_configuration(unit: configparser.SectionProxy, settings: ServeSettings) -> None:
    assert float(unit["TimeoutStopSec"]) > settings.shutdown_seconds
    assert float(unit["WatchdogSec"]) >= settings.stall_seconds


def test_password_and_state_are_where_the_unit_puts_them(
    unit: configparser.SectionProxy, settings: ServeSettings
) -> None:
    name, _, origin = unit["LoadCredential"].partition(":")
    assert origin.startswith("/etc/ecgmon/")
    assert isinstance(settings.source, MqttSettings)
    assert settings.source.broker.password_file == f"/run/credentials/ecgmon.service/{name}"
    assert settings.state_dir == f"/var/lib/{unit['StateDirectory']}"
    assert f"NUMBA_CACHE_DIR=/var/cache/{unit['CacheDirectory']}" in (SYSTEMD / "ecgmon.service").read_text()
    config = re.search(r"--config (\S+)", unit["ExecStart"])
    assert config is not None
    assert config[1] == "/etc/ecgmon/serve.yaml"


def test_the_configuration_gives_nothing_to_warn_of(settings: ServeSettings) -> None:
    assert warnings(settings) == []


@needs_systemd
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_filter_of_system_calls_lets_through_what_the_daemon_calls(tmp_path: Path) -> None:
    config, trace = tmp_path / "serve.yaml", tmp_path / "trace"
    config.write_text(
        "source: {type: simulator, streams: 2, speed: 0, seconds: 60, rates: {run: 600}}\n"
        f"sinks: [{{type: jsonl, path: {tmp_path / 'alerts.jsonl'}}}, {{type: mqtt}}]\n"
        f"http: {{port: 0}}\nstate_dir: {tmp_path / 'state'}\nshutdown_seconds: 1\n"
    )
    watched = ["strace", "-f", "-qq", "-o", str(trace), sys.executable, "-m", "ecgmon.cli"]
    done = subprocess.run(
        [*watched, "serve", "--config", str(config)], capture_output=True, text=True, timeout=240, check=False
    )
    assert "alerts not delivered" in done.stderr  # its broker is not there, but it ran to its end
    called = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", trace.read_text(), re.MULTILINE))
    assert {"futex", "mmap", "socket", "bind"} <= called
    assert called - allowed_calls() == set()


def allowed_calls() -> set[str]:
    """What the unit's filter lets through, by systemd's own lists."""
    groups: dict[str, set[str]] = {}
    listed = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            group = groups[word] = set()
        elif word and not word.startswith("#"):
            group.add(word)

    def resolved(name: str) -> set[str]:
        inner = groups.get(name)
        return {name} if inner is None else set().union(*map(resolved, inner))

    allowed: set[str] = set()
    for line in (SYSTEMD / "ecgmon.service").read_text().splitlines():
        if line.startswith("SystemCallFilter=~"):
            allowed -= resolved(line.removeprefix("SystemCallFilter=~"))
        elif line.startswith("SystemCallFilter="):
            allowed |= resolved(line.removeprefix("SystemCallFilter="))
    return allowed
