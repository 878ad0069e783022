"""One single-segment WFDB record: its voltages in mV, read forward in blocks, never loaded whole.

Format: https://physionet.org/physiotools/wag/header-5.htm and signal-5.htm. Samples come from the package
``wfdb`` as integers, block by block; the conversion is ours, ``(adc - baseline) / gain`` in float64 and then
to float32, so it is the same to the bit however a record is cut. Deviations from ``wfdb.rdrecord``, each with
its reason:

* Signals with more than one sample per frame keep all their samples; ``rdrecord`` averages them by default
  and throws away the rate that a QRS needs.
* Skew is applied here: ``rdrecord`` fails when signals of one file have different skews.
* Format 8 (differences) is summed from the record's start: ``rdrecord`` restarts the sum at each block.
* Format 61 (big-endian) is read as physical values and turned back: ``rdrecord`` fails to give its integers.
* Signals that are no voltage (blood pressure, respiration in ohm) are left out, with a line in the log.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.errors import DataError

log = logging.getLogger(__name__)

READ_FAILURES: Final = (
    OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RuntimeError,
    MemoryError
)  # fmt: skip
"""What ``wfdb`` raises on files that are not what they claim to be."""

MILLIVOLTS: Final = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
"""Unit, in lower case, to mV. The two signs are micro and the Greek letter."""

_BYTES: Final[dict[str, tuple[int, int]]] = {
    "8": (1, 1), "16": (2, 1), "24": (3, 1), "32": (4, 1), "61": (2, 1), "80": (1, 1), "160": (2, 1),
    "212": (3, 2), "310": (4, 3), "311": (4, 3),
}  # fmt: skip
"""Format to bytes per sample, as a fraction; the compressed formats have no fixed size."""

_BITS: Final = {
    "16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12, "310": 10, "311": 10,
    "508": 8, "516": 16, "524": 24,
}  # fmt: skip
"""Format to bits of a sample; the lowest value says "no sample here". Format 8 has no such value."""

_TABLE_BITS: Final = 12
"""Formats of so few bits are converted by a table of all their values."""


def record_path(path: str | Path) -> Path:
    """A record's path without suffix: ``mitdb/100`` for ``mitdb/100.hea``."""
    path = Path(path)
    return path.with_suffix("") if path.suffix == ".hea" else path


@dataclass(frozen=True, slots=True)
class _Signal:
    """One signal line of a header, checked."""

    channel: int
    name: str | None
    fmt: str
    per_frame: int
    skew: int
    gain: float
    baseline: int
    initial: int
    to_mv: float


class Segment:
    """One single-segment record: its voltages, read forward in blocks. ``header``: it was read already."""

    def __init__(self, path: Path, header: Any = None) -> None:
        self.header = Path(f"{path}.hea")
        header = read_header(path) if header is None else header
        if is_multi(header):
            raise DataError(f"{self.header}: a segment of a record cannot have segments of its own")
        self._path = path
        self.fs = rate_of(self.header, header.fs)
        described = len(header.file_name or ())
        if not header.n_sig or header.n_sig != described:
            raise DataError(
                f"{self.header}: announces {header.n_sig} signals, describes {described}; correct the header"
            )
        self._whole: list[NDArray[np.int64]] | None = None
        self.frames = self._check_files(header)
        self.signals = [
            signal for n in range(header.n_sig) if (signal := self._signal(header, n)) is not None
        ]
        if not self.signals:
            raise DataError(
                f"{self.header}: no signal in volt, mV or uV: units are {', '.join(map(str, header.units))}"
            )
        if header.sig_len is None:
            self._whole = self._digital({})

    def blocks(self, frames: int, size: int) -> Iterator[list[NDArray[np.float64]]]:
        """The first ``frames`` frames, ``size`` at a time: per signal [n * per_frame] mV, NaN = missing."""
        ahead = max(signal.skew for signal in self.signals)
        sums = {signal.channel: signal.initial for signal in self.signals}
        for start in range(0, frames, size):
            stop = min(start + size, frames)
            block = []
            digital = self._read(start, min(stop + ahead, self.frames))
            for signal, adc in zip(self.signals, digital, strict=True):
                if signal.fmt == "8" and self._whole is None:
                    adc += sums[signal.channel] - signal.initial  # noqa: PLW2901 - in place, not shared
                    sums[signal.channel] = int(adc[(stop - start) * signal.per_frame - 1])
                block.append(_millivolts(signal, adc, stop - start))
            yield block

    def _read(self, start: int, stop: int) -> list[NDArray[np.int64]]:
        if self._whole is None:
            return self._digital({"sampfrom": start, "sampto": stop})
        return [
            adc[start * s.per_frame : stop * s.per_frame]
            for s, adc in zip(self.signals, self._whole, strict=True)
        ]

    def _digital(self, bounds: dict[str, int]) -> list[NDArray[np.int64]]:
        """Integers as stored, per signal; all where the header has no length, since ``rdrecord`` needs it."""
        import wfdb  # noqa: PLC0415 - see read_header

        physical = any(signal.fmt == "61" for signal in self.signals)
        try:
            read = wfdb.rdrecord(
                str(self._path), channels=[signal.channel for signal in self.signals],
                physical=physical, smooth_frames=False, ignore_skew=True, **bounds,
            )  # fmt: skip
        except READ_FAILURES as error:
            raise DataError(
                f"{self._path}: samples {bounds} cannot be read ({one_line(error)}); fetch the record again"
            ) from None
        if physical:
            return [_undone(s, values) for s, values in zip(self.signals, read.e_p_signal, strict=True)]
        return [np.asarray(adc, np.int64) for adc in read.e_d_signal]

    def _signal(self, header: Any, channel: int) -> _Signal | None:
        where = f"{self.header}: signal {channel}"
        fmt, units = header.fmt[channel], header.units[channel] or "mV"
        if units.lower() not in MILLIVOLTS:
            log.info("%s is in %s, no voltage: left out", where, units)
            return None
        gain, per_frame = header.adc_gain[channel], header.samps_per_frame[channel] or 1
        if not (gain and math.isfinite(gain)):
            raise DataError(f"{where} has the gain {gain}; correct the header")
        return _Signal(
            channel, header.sig_name[channel], fmt, per_frame, header.skew[channel] or 0, gain,
            header.baseline[channel] or 0, header.init_value[channel] or 0, MILLIVOLTS[units.lower()],
        )  # fmt: skip

    def _check_files(self, header: Any) -> int:
        """The number of frames, once every signal file is known to hold as many."""
        frames = header.sig_len
        for name in dict.fromkeys(header.file_name):
            channels = [n for n, file in enumerate(header.file_name) if file == name]
            fmt = header.fmt[channels[0]]
            if fmt not in _BYTES and fmt not in _BITS:
                raise DataError(f"{self.header}: unknown signal format {fmt}; correct the header")
            per_frame = sum(header.samps_per_frame[n] or 1 for n in channels)
            offset = header.byte_offset[channels[0]] or 0
            held = self._frames_in(self.header.with_name(name), fmt, per_frame, offset, len(channels))
            if frames is None:
                frames = held
            if held < frames:
                raise DataError(
                    f"{self.header.with_name(name)}: truncated: holds {held} of the {frames} samples that "
                    "the header announces; fetch the file again, or correct the length in the header"
                )
        if not frames:
            raise DataError(f"{self.header}: the record holds no samples")
        return int(frames)

    def _frames_in(self, file: Path, fmt: str, per_frame: int, offset: int, channels: int) -> int:
        try:
            size = file.stat().st_size
        except OSError as error:
            raise DataError(
                f"{file}: cannot be read ({error.strerror}); the header {self.header.name} names it"
            ) from None
        if fmt in _BYTES:
            numerator, denominator = _BYTES[fmt]
            return max(0, size - offset) * denominator // numerator // per_frame
        import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415 - native library, rarely needed

        try:
            return int((soundfile.info(str(file)).frames - offset) * channels // per_frame)
        except READ_FAILURES as error:
            raise DataError(f"{file}: not a readable FLAC file ({one_line(error)}); fetch it again") from None


def read_header(path: Path) -> Any:
    """``wfdb.rdheader`` with errors of ours. The package is loaded when there is something to read: it brings
    pandas, together a seventh of the daemon's start."""
    import wfdb  # noqa: PLC0415

    try:
        return wfdb.rdheader(str(path))
    except FileNotFoundError:
        raise DataError(f"{path}.hea: no such record; name it without suffix, as in mitdb/100") from None
    except READ_FAILURES as error:
        raise DataError(
            f"{path}.hea: not a readable WFDB header ({one_line(error)}); fetch it again"
        ) from None


def is_multi(header: Any) -> bool:
    """Whether a header that was read is that of a record of several segments."""
    return hasattr(header, "seg_name")


def _millivolts(signal: _Signal, adc: NDArray[np.int64], frames: int) -> NDArray[np.float64]:
    wanted = adc[signal.skew * signal.per_frame : (signal.skew + frames) * signal.per_frame]
    bits = _BITS.get(signal.fmt, 64)
    if bits <= _TABLE_BITS:
        values = _table(signal.fmt, signal.gain, signal.baseline, signal.to_mv)[wanted]
    else:
        values = _voltages(wanted, signal.gain, signal.baseline, signal.to_mv)
        if signal.fmt in _BITS:
            values[wanted == -(2 ** (bits - 1))] = np.nan
    missing = frames * signal.per_frame - len(wanted)
    return np.concatenate([values, np.full(missing, np.nan)]) if missing else values


@lru_cache(64)
def _table(fmt: str, gain: float, baseline: int, to_mv: float) -> NDArray[np.float64]:
    """[2**bits] mV of every integer of a format, the negative ones counted from the end as they index it: to
    look values up takes a fifth of the time to work them out."""
    half = 2 ** (_BITS[fmt] - 1)
    table = _voltages(np.concatenate([np.arange(half), np.arange(-half, 0)]), gain, baseline, to_mv)
    table[-half] = np.nan
    return table


def _voltages(adc: NDArray[np.int64], gain: float, baseline: int, to_mv: float) -> NDArray[np.float64]:
    values = (adc - baseline) / gain
    if to_mv != 1.0:
        values *= to_mv
    return values


def _undone(signal: _Signal, physical: NDArray[np.float64]) -> NDArray[np.int64]:
    """The stored integers back from physical values: exact, as they have fewer bits than a float64."""
    adc = np.rint(physical * signal.gain + signal.baseline)
    return np.where(np.isnan(adc), -(2.0 ** (_BITS.get(signal.fmt, 16) - 1)), adc).astype(np.int64)


def rate_of(header: Path, fs: float | None) -> float:
    if fs is None or not 1 <= fs <= 100_000:
        raise DataError(f"{header}: a rate of {fs} samples per second; correct the header")
    return float(fs)


def start_of_header(header: Any) -> float | None:
    """UTC time of the first sample where the header has a date; WFDB names no zone, so it is read as UTC."""
    moment = getattr(header, "base_datetime", None)
    return None if moment is None else float(moment.replace(tzinfo=UTC).timestamp())


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
