"""``ecgmon init``: a configuration to begin with, every key in it with its default and its meaning."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from ecgmon.commands.commented import Commented
from ecgmon.commands.key_types import structs_in
from ecgmon.commands.keys import keys_of, tag_of
from ecgmon.commands.reference import reference
from ecgmon.commands.training_data import TrainSettings
from ecgmon.comparison.settings import CompareSettings
from ecgmon.config import Settings, convert
from ecgmon.errors import UsageError
from ecgmon.files import write_whole
from ecgmon.monitor.settings import ServeSettings
from ecgmon.transport.broker import BrokerSettings

FILES: Final[dict[str, type[Settings]]] = {
    "serve": ServeSettings, "train": TrainSettings, "compare": CompareSettings,
}  # fmt: skip
"""The files that commands read."""

ANCHORS: Final[dict[type[Settings], str]] = {BrokerSettings: "broker"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write a configuration with every key, its default and its meaning. It runs as it is where nothing "
        "has to be named; what stands in it may be left out. For compare, begin with configs/compare.yaml."
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="to write; default: on stdout")
    parser.add_argument("--for", dest="reader", choices=["serve", "train"], default="serve",
                        help="the command that is to read it; default: serve")  # fmt: skip
    parser.add_argument("--source", choices=_choices("source"), default="mqtt", help="default: mqtt")
    parser.add_argument(
        "--sink", choices=_choices("sinks"), action="append", help="may be repeated; default: mqtt"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE where there is one")
    parser.add_argument("--reference", action="store_true", help="instead all keys of all files, as Markdown")


def run(args: argparse.Namespace) -> int:
    text = reference(FILES) if args.reference else starting(args.reader, args.source, args.sink or ["mqtt"])
    if args.file == "-":
        sys.stdout.write(text)
        return 0
    file = Path(args.file)
    if file.exists() and not args.force:
        raise UsageError(f"{file}: is there already; name another file, or replace it with --force")
    if not file.parent.is_dir():
        raise UsageError(f"{file}: there is no folder {file.parent}; make it first")
    write_whole(file, text.encode())
    return 0


def starting(command: str, source: str, sinks: list[str]) -> str:
    """The text of a configuration file; it loads, and what it says is what leaving it out would say."""
    kind = FILES[command]
    tree: dict[str, Any] = {}
    if kind is ServeSettings:
        tree = {
            "source": {"type": source, **_examples(_chosen("source", source))},
            "sinks": [{"type": sink, **_examples(_chosen("sinks", sink))} for sink in sinks],
        }
    else:
        tree = _examples(kind)
    settings = convert(tree, kind, where="defaults")
    lines = [_heading(command), *Commented(ANCHORS).lines(settings, spaced=True)]
    return "\n".join(lines) + "\n"


def _heading(command: str) -> str:
    use = {
        "serve": "ecgmon check --config FILE, then ecgmon serve --config FILE",
        "train": "ecgmon train --config FILE --out model.safetensors",
    }[command]
    return (
        f"# {use}\n#\n"
        "# Every key with its default, and what it may be; a line may be deleted without a change. What is\n"
        "# commented out is not set. Keys that other choices of `type` have: ecgmon init --reference"
    )


def _choices(key: str) -> list[str]:
    return [tag[1] for kind in _kinds(key) if (tag := tag_of(kind))]


def _chosen(key: str, name: str) -> type[Settings]:
    return next(kind for kind in _kinds(key) if (tag := tag_of(kind)) and tag[1] == name)


def _kinds(key: str) -> list[type[Settings]]:
    return next(structs_in(each.type) for each in keys_of(ServeSettings) if each.name == key)


def _examples(kind: type[Settings]) -> dict[str, Any]:
    """A value for each key that has no default."""
    return {key.name: key.example for key in keys_of(kind) if key.required}
