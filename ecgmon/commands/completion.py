"""``ecgmon completion``: what a shell needs to complete commands, options and their values.

The script is made from the parser and holds all that it offers: a TAB starts no Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final

import shtab

FILES: Final = frozenset({"FILE", "DATA", "RECORD", "MODEL", "NAMES"})
"""Values that are files, or may be."""

FOLDERS: Final = frozenset({"DIR"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="what it is for")


def run(args: argparse.Namespace) -> int:
    parser: argparse.ArgumentParser = args.whole_parser()
    for action in _actions(parser):
        complete: Any = None
        if action.metavar in FILES:
            complete = shtab.FILE
        elif action.metavar in FOLDERS:
            complete = shtab.DIRECTORY
        if complete is not None:
            action.complete = complete  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=args.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to them
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for sub in action.choices.values():
                yield from _actions(sub)
