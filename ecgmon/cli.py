"""The ``ecgmon`` command: the only place that exits or configures logging."""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import sys
import traceback
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from ecgmon.errors import EcgmonError

COMMANDS: Final = {
    "init": "write a configuration to begin with, every key explained",
    "serve": "watch streams and raise alerts, until told to stop",
    "check": "read a configuration, say what is wrong with it, start nothing",
    "train": "learn from normal beats, calibrate, write a model bundle",
    "calibrate": "calibrate a bundle anew on other recordings",
    "evaluate": "measure a bundle against reference annotations",
    "scan": "score recordings into WFDB annotations and JSON lines",
    "replay": "play a recording to a broker as devices would",
    "compare": "train and measure many methods alike, in tables and pictures",
    "bench": "measure what it costs, beside what others cost",
    "windows": "write recordings' beats as a CSV of windows with labels",
    "info": "say what is in a model bundle",
    "download": "fetch a database from PhysioNet",
    "completion": "write what a shell needs to complete the command line",
}

log = logging.getLogger("ecgmon")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one subcommand and exit: 0 done, 1 it failed, 2 wrong usage or configuration, 130 interrupted."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run one subcommand and return its exit code."""
    command, debug = _wanted(argv), "--debug" in argv
    name = f"ecgmon {command}" if command else "ecgmon"
    try:
        args = build_parser([] if command is None else [command]).parse_args(argv)
        logging.basicConfig(
            stream=sys.stderr,
            level=logging.DEBUG if debug else logging.INFO,
            format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        )
        return int(args.run(args))
    except EcgmonError as error:
        if debug:
            log.exception("failed")
        sys.stderr.write(f"{name}: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader of stdout is gone; nobody is left to tell
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: one line instead of a traceback
        if debug:
            traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "" if debug else "; run again with --debug for details"
        sys.stderr.write(f"{name}: unexpected {text}{hint}\n")
        return 1


def _wanted(argv: Sequence[str]) -> str | None:
    """The subcommand that ``argv`` names: only its module is imported, so that ``--help`` stays quick."""
    return next((word for word in argv if word in COMMANDS), None)


def _module_of(command: str) -> Any:
    """Its module, imported without a look for garbage: hardly anything of the hundreds of thousands of
    objects is, and to look takes a seventh of the time until a daemon is ready, and later its pauses."""
    gc.disable()
    try:
        return importlib.import_module(f"ecgmon.commands.{command}")
    finally:
        gc.freeze()
        gc.enable()


def build_parser(wanted: Collection[str]) -> argparse.ArgumentParser:
    """The parser, with the arguments of the ``wanted`` commands alone: it imports their modules."""
    from ecgmon import __version__
    from ecgmon.commands.examples import Help, epilog

    common = argparse.ArgumentParser(add_help=False)
    text = "log in detail, show tracebacks"
    # suppressed: without it after COMMAND, what stood before COMMAND holds
    common.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=text)
    parser = argparse.ArgumentParser(
        prog="ecgmon",
        allow_abbrev=False,
        formatter_class=Help,
        epilog=epilog(None),
        description="Watches ECG streams and raises an alert when a heart does not beat as it should. "
        "Not a medical device.",
    )
    parser.add_argument("--debug", action="store_true", help=text)
    parser.add_argument("--version", action="version", version=f"ecgmon {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        sub = subparsers.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            parents=[common],
            allow_abbrev=False,
            formatter_class=Help,
            epilog=epilog(name),
        )
        if name in wanted:
            module = _module_of(name)
            module.add_arguments(sub)
            sub.set_defaults(run=module.run, whole_parser=partial(build_parser, COMMANDS))
    return parser


if __name__ == "__main__":
    main()
