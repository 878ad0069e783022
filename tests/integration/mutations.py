"""Messages that no honest device sends: valid ones, damaged in every way that a seed can choose."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

VALUES: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 1, 2**31, 2**53 + 1, 2**64 - 1, -(2**63), 0.0, -0.0, 1e-320, 1e308, -1e308, 99.999,
    100.0, 1000.001, 1e9, 1.7e12, "", "x", "mV", "\0", "\ud7ff", "a" * 200, [], {}, [None], [[]], [1e308] * 3,
    {"I": [1.0]}, {"I": {"I": []}}, {"": [0.0]}, {"a\nb": [0.0]},
    {"I" * 40: [0.0]}, {"I": []}, {"I": [0] * 5000},
)  # fmt: skip
"""What stands where another thing belongs."""

NAMES: Final = (
    "", ".", "..", "$SYS", "$x", " bed", "bed ", "a\nb", "a\x1b[2J", "a\x7f", "\u202eevil", "a\u2028b",
    "bed\\1", "x" * 129, "\U000e0001", "évil", "床", "a b", "-rf", "%s%s%n", "{stream}", "';--", "a" * 128,
)  # fmt: skip
"""Stream names; some are allowed."""

LITERALS: Final = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01", b"0x1", b"'", b"\xff\xfe", b"\x00", b"null",
    b"[" * 5000, b'{"a":' * 2000, b"\xed\xa0\x80", b"1" * 400,
    b"-", b"}", b"]", b",", b":", b'"', b"\\u0000", b"/**/",
)  # fmt: skip
"""Spliced into JSON text."""

LENGTHS: Final = (
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
    b"\xdc\xff\xff", b"\xde\xff\xff", b"\xc1", b"\xc9\xff\xff\xff\xff\x00",
    b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
)  # fmt: skip
"""MessagePack headers that claim four thousand million items, extension types, NaN, and what is no code."""

HEADER: Final = struct.Struct("<4sBBHIffd")

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def flipped(chance: random.Random, message: bytes, others: Sequence[bytes]) -> bytes:  # noqa: ARG001
    """Some bits."""
    out = bytearray(message)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def cut(chance: random.Random, message: bytes, _: Sequence[bytes]) -> bytes:
    """Short, or beginning too late."""
    at = chance.randrange(len(message) + 1)
    return message[:at] if chance.random() < 0.7 else message[at:]


def grown(chance: random.Random, message: bytes, _: Sequence[bytes]) -> bytes:
    """Bytes in between or behind."""
    at = chance.randrange(len(message) + 1)
    return message[:at] + chance.randbytes(chance.choice((1, 2, 7, 100, 3000))) + message[at:]


def spliced(chance: random.Random, message: bytes, others: Sequence[bytes]) -> bytes:
    """The head of one, the tail of another."""
    other = chance.choice(others)
    return message[: chance.randrange(len(message) + 1)] + other[chance.randrange(len(other) + 1) :]


def literal(chance: random.Random, message: bytes, _: Sequence[bytes]) -> bytes:
    """Text or a length where it does not belong."""
    at = chance.randrange(len(message) + 1)
    skipped = chance.choice((0, 1, 4))
    return message[:at] + chance.choice(LITERALS + LENGTHS) + message[at + skipped :]


def noise(chance: random.Random, _message: bytes, _: Sequence[bytes]) -> bytes:
    """Nothing but noise, perhaps behind a good beginning."""
    head = chance.choice((b"", b"ECG1", b"{", b"\x85", b"\xdf", b"\xde\x00\x05"))
    return head + chance.randbytes(chance.choice((0, 1, 24, 28, 29, 500)))


def refilled(chance: random.Random, message: bytes, others: Sequence[bytes]) -> bytes:
    """Well-formed, with other values, keys left out, or keys of other names; binary: another header."""
    if message.startswith(b"ECG1") and len(message) >= HEADER.size:
        return _header(chance, message)
    try:
        tree = json.loads(message) if message[:1] == b"{" else msgspec.msgpack.decode(message)
    except (ValueError, RecursionError, msgspec.DecodeError):
        return flipped(chance, message, others)
    if not (isinstance(tree, dict) and tree):
        return flipped(chance, message, others)
    key = chance.choice(list(tree))
    what = chance.random()
    if what < 0.15:
        del tree[key]
    elif what < 0.25:
        tree[chance.choice(("FS", "seq ", "leads", "x" * 1000, ""))] = tree.pop(key)
    elif what < 0.55 and isinstance(tree.get("leads"), dict) and tree["leads"]:
        lead = chance.choice(list(tree["leads"]))
        samples = tree["leads"][lead]
        if isinstance(samples, list) and samples and chance.random() < 0.5:
            samples[chance.randrange(len(samples))] = chance.choice(VALUES)
        else:
            tree["leads"][lead] = chance.choice(VALUES)
    else:
        tree[key] = chance.choice(VALUES)
    try:
        return (
            json.dumps(tree).encode("utf-8", "surrogatepass")
            if message[:1] == b"{"
            else msgspec.msgpack.encode(tree)
        )
    except (OverflowError, ValueError, TypeError, RecursionError):
        return flipped(chance, message, others)


def _header(chance: random.Random, message: bytes) -> bytes:
    magic, flags, leads, n, seq, fs, step, t = HEADER.unpack_from(message)
    number = chance.choice((0.0, -1.0, 1e-40, 3e38, float("inf"), float("-inf"), float("nan"), 99.9, 1e6))
    match chance.randrange(6):
        case 0:
            flags = chance.randrange(256)
        case 1:
            leads = chance.choice((0, 1, 32, 33, 255))
        case 2:
            n = chance.choice((0, 1, n + 1, 65535))
        case 3:
            fs = number
        case 4:
            step = number
        case _:
            t = number
    rest = message[HEADER.size :]
    if chance.random() < 0.3:
        rest = chance.randbytes(len(rest))
    return HEADER.pack(magic, flags, leads, min(n, 65535), seq, fs, step, t) + rest


MUTATIONS: Final[tuple[Mutation, ...]] = (flipped, cut, grown, spliced, literal, noise, refilled, refilled)


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of ``seeds``, damaged once or more."""
    message = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        message = chance.choice(MUTATIONS)(chance, message, seeds) or b"\x00"
    return message
