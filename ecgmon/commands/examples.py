"""What one would type: shown below each command's help, and each line parsed by a test."""

from __future__ import annotations

import argparse
from typing import Final

GENERAL: Final = (
    ("the demo: simulated patients, alerts on the terminal", "serve --config configs/demo.yaml"),
    ("a configuration to begin with", "init serve.yaml"),
    ("score a recording", "scan mitdb/208 --out runs/scan"),
)

EXAMPLES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "init": (
        ("streams from MQTT, alerts back to it", "init serve.yaml"),
        ("recordings, alerts on the terminal", "init look.yaml --source wfdb --sink console"),
        ("for training", "init --for train train.yaml"),
        ("all keys of all files", "init --reference"),
    ),
    "serve": (
        ("in the foreground; systemd, Docker and Kubernetes: see deploy/", "serve --config serve.yaml"),
    ),
    "check": (
        ("before a restart", "check --config serve.yaml"),
        ("compile, too, so that the next start is quick", "check --config serve.yaml --warm-up"),
    ),
    "train": (
        ("as the file says", "train --config train.yaml --out model.safetensors"),
        (
            "on other recordings, going on where it was interrupted",
            "train --config train.yaml --data ward --out model.safetensors --resume",
        ),
    ),
    "calibrate": (
        (
            "for one false alert in five hours of a stream",
            "calibrate --model m.safetensors --data ward --false-alerts-per-hour 0.2 --out ward.safetensors",
        ),
    ),
    "evaluate": (
        (
            "the shipped model on patients that it never saw",
            "evaluate --model default --data mitdb --records DS2",
        ),
        (
            "with a page of pictures, and all figures as JSON",
            "evaluate --model model.safetensors --data ward --report report --json figures.json",
        ),
        ("cross-validation by patient", "evaluate --folds 5 --data mitdb --config train.yaml"),
    ),
    "scan": (
        ("one record", "scan mitdb/208 --out runs/scan"),
        ("a folder, by a model of your own", "scan mitdb --model model.safetensors --out runs/scan"),
    ),
    "replay": (
        (
            "twenty times as fast as it was recorded",
            "replay mitdb/208 --broker mqtt://127.0.0.1:1883 --speed 20",
        ),
        (
            "as a device with a password, over TLS",
            "replay mitdb/208 --broker mqtts://ward --username 208 --password-file password --ca-file ca.pem",
        ),
        (
            "a hundred patients",
            "replay mitdb/208 --broker mqtt://127.0.0.1:1883 --streams 100 --payload binary",
        ),
    ),
    "compare": (
        ("everything small, in minutes", "compare --config configs/compare.yaml --quick"),
        ("two experiments", "compare --config configs/compare.yaml --only latent,classical"),
    ),
    "bench": (
        ("an hour of ECG", "bench scan --data mitdb"),
        ("the daemon at 100 and 1000 streams", "bench live --streams 100,1000"),
    ),
    "windows": (("beats as a CSV of windows", "windows --data mitdb --records DS1 --out ds1.csv"),),
    "info": (
        ("the shipped model", "info default"),
        ("all metadata", "info model.safetensors --json"),
    ),
    "download": (
        ("the MIT-BIH Arrhythmia Database", "download mitdb --out mitdb"),
        ("two records of it", "download mitdb --records 100,208"),
    ),
    "completion": (
        ("bash, for good", "completion bash > ~/.local/share/bash-completion/completions/ecgmon"),
        ("zsh, in a folder of fpath", "completion zsh > ~/.zfunc/_ecgmon"),
        ("fish", "completion fish > ~/.config/fish/completions/ecgmon.fish"),
    ),
}

HEADING: Final = "examples:"


def epilog(command: str | None) -> str:
    """The examples of a command, or of the program as a whole, as they stand below its help."""
    lines = [HEADING]
    for meaning, words in GENERAL if command is None else EXAMPLES[command]:
        lines += [f"  # {meaning}", f"  ecgmon {words}"]
    return "\n".join(lines)


class Help(argparse.HelpFormatter):
    """Fills descriptions and leaves examples as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 14  # argparse forgets by how much commands are indented

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(HEADING) else super()._fill_text(text, width, indent)
