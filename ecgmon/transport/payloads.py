"""Chunks and alerts as bytes.

A device sends chunks in one of three forms; :func:`decode` tells them apart by their first bytes.

JSON and MessagePack: a map with ``fs`` (Hz), ``t`` (UTC of the first sample, s), ``leads`` (name to list of
numbers, ``null`` = missing), and optionally ``seq`` (running number) and ``unit`` (``mV``, ``uV`` or ``V``;
without it mV). Other keys are passed over, so that a device may send more than we read.

Binary, little-endian: ``"ECG1"``, u8 flags (0), u8 leads, u16 samples per lead, u32 seq, f32 fs, f32
microvolts per step, f64 t, then per lead an 8-byte name (UTF-8, NUL-padded), then int16 samples lead by lead.
The lowest value, -32768, marks a missing sample, as in WFDB's format 16.

What comes from the network is refused with :class:`PayloadError` and one of
:data:`~ecgmon.transport.limits.REASONS`, never with another exception, and its size is checked before memory
is taken for it.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ecgmon.ecg.types import Alert, Chunk, Samples
from ecgmon.errors import PayloadError
from ecgmon.transport.limits import (
    DEFAULT_LIMITS,
    MAX_MILLIVOLT,
    Limits,
    check_amplitude,
    check_counts,
    check_head,
    checked_names,
)
from ecgmon.transport.samples import MISSING, from_numbers, from_steps

Form = Literal["json", "msgpack", "binary"]
T = TypeVar("T")

MAGIC: Final = b"ECG1"

_HEADER: Final = struct.Struct("<4sBBHIffd")
_TO_MILLIVOLT: Final = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "V": 1e3}
_USUAL_STEPS: Final = (5.0, 1.0, 2.5, 10.0, 0.5, 1.25, 2.0, 4.0, 0.25, 0.1)
_FIELD_REASONS: Final = {"fs": "fs", "t": "time", "unit": "unit", "leads": "leads"}


class _Envelope(msgspec.Struct):
    """The map of JSON and MessagePack; the samples stay bytes until their number is known to be allowed."""

    fs: float
    t: float
    leads: dict[str, msgspec.Raw]
    seq: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    unit: str = "mV"


_LEAD = list[float | None]
_JSON: Final = (msgspec.json.Decoder(_Envelope), msgspec.json.Decoder(_LEAD))
_MSGPACK: Final = (msgspec.msgpack.Decoder(_Envelope), msgspec.msgpack.Decoder(_LEAD))
_ALERT: Final = msgspec.json.Decoder(Alert)


def decode(
    payload: bytes,
    *,
    stream: str,
    limits: Limits = DEFAULT_LIMITS,
    ack: Callable[[], None] | None = None,
    received: float | None = None,
) -> Chunk:
    """One message to a chunk of ``stream``: [leads, n] float32 in mV, NaN = missing; with ``ack`` and
    ``received``, s, as they are given.

    Raises :class:`PayloadError` with one of :data:`~ecgmon.transport.limits.REASONS`.
    """
    if len(payload) > limits.max_bytes:
        raise PayloadError("size", f"{len(payload)} bytes; at most {limits.max_bytes} are taken")
    if payload.startswith(MAGIC):
        fs, names, samples, t, seq = _decode_binary(payload, limits)
    elif payload[:64].lstrip(b" \t\r\n")[:1] == b"{":
        fs, names, samples, t, seq = _decode_map(payload, limits, *_JSON)
    elif payload[:1] and (0x80 <= payload[0] <= 0x8F or payload[0] in {0xDE, 0xDF}):
        fs, names, samples, t, seq = _decode_map(payload, limits, *_MSGPACK)
    else:
        raise PayloadError("format", f"neither JSON, MessagePack nor ECG1: starts with {payload[:8]!r}")
    return Chunk(stream, fs, names, samples, t, seq, False, ack, received)


def encode(chunk: Chunk, form: Form) -> bytes:
    """A chunk as bytes in one of the three forms."""
    return {"json": encode_json, "msgpack": encode_msgpack, "binary": encode_binary}[form](chunk)


def encode_json(chunk: Chunk) -> bytes:
    """JSON whose numbers read back as the very same float32 samples."""
    return msgspec.json.encode(_to_map(chunk))


def encode_msgpack(chunk: Chunk) -> bytes:
    """MessagePack whose numbers read back as the very same float32 samples."""
    return msgspec.msgpack.encode(_to_map(chunk))


def encode_binary(chunk: Chunk) -> bytes:
    """Binary, in the first usual converter step that gives every sample back to the bit, else the finest.

    In the second case a sample is off by half a step at most, 1/65534 of the chunk's largest amplitude.
    Raises :class:`PayloadError` for what the form cannot carry: names beyond 8 bytes, more than 255 leads or
    65535 samples, a chunk without ``seq``.
    """
    leads, n = chunk.samples.shape
    names = [name.encode() for name in chunk.leads]
    if any(len(name) > 8 for name in names):
        raise PayloadError("leads", f"lead names {chunk.leads}: 8 bytes each at most in the binary form")
    if not (0 < leads <= 255 and 0 < n <= 65_535) or chunk.seq is None:
        raise PayloadError(
            "size",
            f"{leads} leads of {n} samples, seq {chunk.seq}: the binary form carries 1 to 255 leads, "
            "1 to 65535 samples and a seq",
        )
    microvolt = chunk.samples.astype(np.float64) * 1e3
    for step in _USUAL_STEPS:
        steps = _in_steps(microvolt, step)
        if np.array_equal(_from_steps(steps, step), chunk.samples, equal_nan=True):
            break
    else:
        largest = float(np.nanmax(np.abs(microvolt), initial=0.0))
        step = float(np.float32(largest / 32_766)) or 1.0
        steps = _in_steps(microvolt, step)
    head = _HEADER.pack(MAGIC, 0, leads, n, chunk.seq % 2**32, chunk.fs, step, chunk.t)
    return b"".join([head, *(name.ljust(8, b"\0") for name in names), steps.tobytes()])


def encode_alert(alert: Alert) -> bytes:
    """An alert as JSON, schema ``ecgmon.alert/1``."""
    return msgspec.json.encode(alert)


def decode_alert(payload: bytes) -> Alert:
    """JSON back to an alert; :class:`PayloadError` when it is none."""
    return _guarded(_ALERT, payload)


def encode_map(content: dict[str, Any]) -> bytes:
    """A status or state as JSON; NaN becomes null."""
    return msgspec.json.encode(content)


def _to_map(chunk: Chunk) -> dict[str, Any]:
    content = {
        "fs": chunk.fs,
        "seq": chunk.seq,
        "t": chunk.t,
        "unit": "mV",
        "leads": {name: _to_list(row) for name, row in zip(chunk.leads, chunk.samples, strict=True)},
    }
    if chunk.seq is None:
        del content["seq"]
    return content


def _to_list(row: Samples) -> list[float | None]:
    """Doubles that turn into the same float32 again, with six decimals where these are enough."""
    exact = row.astype(np.float64)
    short = np.round(exact, 6)
    values: list[float | None] = np.where(short.astype(np.float32) == row, short, exact).tolist()
    if np.isnan(row).any():
        values = [None if value != value else value for value in values]  # noqa: PLR0124 - NaN differs from itself
    return values


def _in_steps(microvolt: NDArray[np.float64], step: float) -> NDArray[np.int16]:
    steps = np.clip(np.round(microvolt / step), MISSING + 1, -MISSING - 1)
    return np.where(np.isnan(steps), MISSING, steps).astype("<i2")


def _from_steps(steps: NDArray[np.int16], step: float) -> Samples:
    samples = (steps * step / 1e3).astype(np.float32)
    samples[steps == MISSING] = np.nan
    return samples


Content = tuple[float, tuple[str, ...], Samples, float, int | None]
"""Of a message: fs, leads, samples, t, seq, as in :class:`~ecgmon.ecg.types.Chunk`."""


def _decode_binary(payload: bytes, limits: Limits) -> Content:
    if len(payload) < _HEADER.size:
        raise PayloadError("format", f"binary message cut short: {len(payload)} bytes, header {_HEADER.size}")
    _, flags, leads, n, seq, fs, step, t = _HEADER.unpack_from(payload)
    if flags:
        raise PayloadError("format", f"binary message with flags {flags:#04x}; only 0 is known")
    check_head(fs, t, limits)
    check_counts(leads, (n,), limits)
    expected = _HEADER.size + leads * (8 + 2 * n)
    if len(payload) != expected:
        raise PayloadError("format", f"{leads} leads of {n} samples: {expected} bytes, not {len(payload)}")
    if not 0 < step < math.inf:
        raise PayloadError("field", f"{step} microvolts per step; must be above 0")
    begin = _HEADER.size + 8 * leads
    names = _names(payload[_HEADER.size : begin])
    steps = np.frombuffer(payload, "<i2", offset=begin)
    if 32_768 * step > MAX_MILLIVOLT * 1e3:
        check_amplitude(np.abs(np.where(steps == MISSING, 0, steps)).max() * step / 1e3)
    return fs, names, from_steps(steps, leads, step), t, seq


@lru_cache(1024)
def _names(raw: bytes) -> tuple[str, ...]:
    """Lead names of a binary message, checked; devices have few."""
    each = [raw[at : at + 8].rstrip(b"\0 ") for at in range(0, len(raw), 8)]
    try:
        return checked_names([name.decode() for name in each])
    except UnicodeDecodeError:
        raise PayloadError("leads", f"lead names {each!r} are not UTF-8") from None


def _decode_map(
    payload: bytes,
    limits: Limits,
    head: msgspec.json.Decoder[_Envelope] | msgspec.msgpack.Decoder[_Envelope],
    lead: msgspec.json.Decoder[_LEAD] | msgspec.msgpack.Decoder[_LEAD],
) -> Content:
    envelope = _guarded(head, payload)
    scale = _TO_MILLIVOLT.get(envelope.unit)
    if scale is None:
        raise PayloadError("unit", f"unit {envelope.unit[:16]!a}; known are mV, uV and V")
    check_head(envelope.fs, envelope.t, limits)
    names = checked_names(list(envelope.leads))
    raw = [bytes(value) for value in envelope.leads.values()]
    counts = [_count(value) for value in raw]
    check_counts(len(names), counts, limits)
    values = np.array([_guarded(lead, value, "samples") for value in raw], dtype=np.float64)
    samples, largest = from_numbers(values, scale)
    check_amplitude(largest)
    return envelope.fs, names, samples, envelope.t, envelope.seq


def _count(raw: bytes) -> int:
    """How many items the JSON or MessagePack array ``raw`` claims to have, without decoding it."""
    first = raw[0]
    if first == ord("["):
        return raw.count(b",") + 1 if raw[1:-1].strip() else 0
    if 0x90 <= first <= 0x9F:
        return first - 0x90
    if first in {0xDC, 0xDD}:
        return int.from_bytes(raw[1 : 3 if first == 0xDC else 5], "big")
    raise PayloadError("samples", "a lead is not a list of numbers")


def _guarded(
    decoder: msgspec.json.Decoder[T] | msgspec.msgpack.Decoder[T], payload: bytes, reason: str | None = None
) -> T:
    """Decode, and give every failure its reason: by ``reason``, by the key at fault, or as malformed."""
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        key = re.search(r"`\$\.(\w+)", str(error))
        reason = reason or _FIELD_REASONS.get(key[1] if key else "", "field")
        raise PayloadError(reason, ascii(str(error)[:200])[1:-1]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError("format", f"malformed: {ascii(str(error)[:200])[1:-1]}") from None
