"""``ecgmon download DB``: fetch a WFDB database from PhysioNet."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

import wfdb

from ecgmon.errors import DataError, TransportError, UsageError

_NETWORK = (OSError, ValueError, RuntimeError)
"""What ``wfdb`` and the HTTP library below it raise; ``requests`` derives its errors from OSError."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "db", metavar="DB", help="name of the database, as in its PhysioNet address: mitdb, nstdb"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to fill (default: ./DB)")
    parser.add_argument(
        "--records",
        metavar="NAMES",
        help="names separated by commas, or a file with one a line (default: all)",
    )


def run(args: argparse.Namespace) -> int:
    name: str = args.db
    if not name.replace("-", "").replace("_", "").replace("/", "").replace(".", "").isalnum():
        raise UsageError(f"'{name}' is no database name; write it as in its PhysioNet address, such as mitdb")
    out: Path = args.out or Path(name.split("/", maxsplit=1)[0])
    wanted = "all" if args.records is None else _names(args.records)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out}: cannot be made ({error.strerror}); name a folder with --out") from None
    try:
        with contextlib.redirect_stdout(sys.stderr):  # its progress is no result
            wfdb.dl_database(name, str(out), records=wanted)
    except _NETWORK as error:
        reason = " ".join(str(error).split()).partition(" (Caused by")[0][:200] or type(error).__name__
        with contextlib.suppress(OSError):
            out.rmdir()  # only if nothing is in it
        raise TransportError(
            f"{name}: could not be fetched from PhysioNet ({reason}); check the name and the network, "
            f"then run the command again: it goes on where {out} ends"
        ) from None
    headers = list(out.rglob("*.hea"))
    if not headers:
        raise DataError(f"{name}: PhysioNet sent no records; check the name and --records")
    print(f"{out}: {len(headers)} records")
    return 0


def _names(given: str) -> list[str]:
    file = Path(given)
    try:
        text = file.read_text(encoding="utf-8").split() if file.is_file() else given.split(",")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"--records {given}: not a readable file of text in UTF-8") from None
    names = [name.strip() for name in text if name.strip()]
    if not names:
        raise UsageError(f"--records {given}: names no record")
    return names
