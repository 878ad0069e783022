"""Names of files and anchors, made of what recordings and experiments are called."""

from __future__ import annotations

import re
import zlib


def free_name(taken: set[str], *parts: str) -> str:
    """A file name of ``parts`` that is not ``taken``, upper and lower case being one; letters, digits, dots
    and hyphens only."""
    name = wanted = "-".join(word for part in parts if (word := _word(part)))
    n = 1
    while name.lower() in taken:
        n += 1
        name = f"{wanted}-{n}"
    taken.add(name.lower())
    return name


def _word(text: str) -> str:
    """``text`` in ASCII, as far as it goes; what other scripts say stays told apart by a checksum."""
    word = re.sub(r"[^A-Za-z0-9.]+", "-", text.replace("?", "unknown")).strip("-.")
    return word if text.isascii() else f"{word}-{zlib.crc32(text.encode()):08x}".strip("-")
