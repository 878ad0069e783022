"""The command line: what it prints where, and how it exits."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types

import pytest

from ecgmon import cli
from ecgmon.cli import COMMANDS


def ecgmon(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ecgmon.cli", *args], capture_output=True, text=True, timeout=120, check=False
    )


def test_help_names_every_command() -> None:
    done = ecgmon("--help")
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys, ecgmon.cli\n"
        "try: ecgmon.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_daemon_loads_nothing_for_recordings_and_collects_garbage_when_it_runs() -> None:
    code = (
        "import gc, sys, ecgmon.cli\n"
        "assert ecgmon.cli.run(['serve', '--config', 'nowhere.yaml']) == 2\n"
        "assert 'ecgmon.monitor.service' in sys.modules\n"
        "assert not {'wfdb', 'pandas', 'matplotlib', 'scipy.optimize'} & sys.modules.keys()\n"
        "assert gc.isenabled()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = ecgmon(command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"ecgmon {command}" in done.stdout


@pytest.mark.parametrize("args", [(), ("dance",), ("info",), ("serve", "--config")])
def test_wrong_usage_exits_with_2(args: tuple[str, ...]) -> None:
    done = ecgmon(*args)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_an_error_is_one_line_without_a_traceback() -> None:
    done = ecgmon("check", "--config", "nowhere.yaml")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("ecgmon check: nowhere.yaml: cannot be read")


def test_debug_shows_the_traceback() -> None:
    done = ecgmon("check", "--config", "nowhere.yaml", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_debug_may_stand_before_the_command() -> None:
    done = ecgmon("--debug", "check", "--config", "nowhere.yaml")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("where", ["import_module", "run"])
def test_what_nobody_expected_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str, debug: bool
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("no room\nfor this")

    module = types.SimpleNamespace(add_arguments=lambda _: None, run=fail)
    monkeypatch.setattr(importlib, "import_module", fail if where == "import_module" else lambda _: module)
    assert cli.run(["info", *(["--debug"] if debug else [])]) == 1
    errors = capsys.readouterr().err
    assert errors.splitlines()[-1].startswith("ecgmon info: unexpected RuntimeError: no room for this")
    assert ("Traceback" in errors) == debug
    assert debug or errors.count("\n") == 1
