"""Shell completion, in the shells themselves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecgmon.cli import COMMANDS


def script(shell: str, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "ecgmon.cli", "completion", shell],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    file = folder / f"completion.{shell}"
    file.write_text(done.stdout)
    return file


def needed(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    return path


def bash(file: Path, *words: str, folder: Path | None = None) -> set[str]:
    """What bash offers behind ``words``, the last of which is only begun."""
    line = " ".join(words)
    code = (
        f"source {file}; COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
        f"COMP_LINE={line!r}; COMP_POINT={len(line)}; "
        "complete -p ecgmon > /dev/null || exit 1; $(complete -p ecgmon | sed 's/.*-F \\([^ ]*\\).*/\\1/'); "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [needed("bash"), "--norc", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return {word.strip() for word in done.stdout.splitlines()} - {""}


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return script("bash", tmp_path_factory.mktemp("completion"))


def test_bash_completes_commands_options_and_choices(bash_script: Path) -> None:
    assert bash(bash_script, "ecgmon", "") >= COMMANDS.keys()
    assert bash(bash_script, "ecgmon", "ca") == {"calibrate"}
    assert bash(bash_script, "ecgmon", "serve", "--con") == {"--config"}
    assert bash(bash_script, "ecgmon", "replay", "--payload", "") == {"json", "msgpack", "binary"}
    assert bash(bash_script, "ecgmon", "bench", "") >= {"scan", "live", "scorer", "train"}


def test_bash_completes_files(bash_script: Path, tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").touch()
    assert bash(bash_script, "ecgmon", "serve", "--config", "se", folder=tmp_path) == {"serve.yaml"}


def test_fish_completes_commands_and_choices(tmp_path: Path) -> None:
    fish, file = needed("fish"), script("fish", tmp_path)
    for line, offered in (("ecgmon cali", {"calibrate"}), ("ecgmon completion z", {"zsh"})):
        done = subprocess.run(
            [fish, "--no-config", "-c", f"source {file}; complete -C '{line}'"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert {each.split("\t")[0] for each in done.stdout.splitlines()} == offered


def test_zsh_takes_the_script(tmp_path: Path) -> None:
    zsh, file = needed("zsh"), script("zsh", tmp_path)
    file = file.rename(tmp_path / "_ecgmon")
    code = f"fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[ecgmon]"
    done = subprocess.run([zsh, "-f", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("_shtab_ecgmon", "") or done.stdout.strip() == "_ecgmon"
    assert subprocess.run([zsh, "-n", file], capture_output=True, timeout=60, check=False).returncode == 0
