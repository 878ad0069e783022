"""Numbers on the command line."""

from __future__ import annotations

import argparse


def number(text: str) -> float:
    """The number that an option was given; what it may be, the option says."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}': must be a number") from None


def whole(text: str) -> int:
    """The same for a count."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}': must be a whole number") from None
