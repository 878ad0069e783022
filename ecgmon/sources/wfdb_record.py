"""A WFDB record of one or many segments as one signal in mV, block by block.

A multi-segment record of fixed layout has the same signals throughout; one of variable layout names them in a
layout header and each segment holds some. Where a segment lacks a lead, and in gaps between segments, samples
are NaN. A chunk has one rate: leads sampled more slowly than the fastest are raised to its rate by repeating
samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Samples
from ecgmon.errors import DataError
from ecgmon.sources.base import unique_names
from ecgmon.sources.wfdb_segment import (
    MILLIVOLTS,
    Segment,
    is_multi,
    rate_of,
    read_header,
    record_path,
    start_of_header,
)

_BLOCK_SAMPLES: Final = 2**19
"""Samples of all leads together read at once: some megabytes while they are converted. wfdb parses the
header anew each time, which takes a millisecond."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of the record; ``places[i]`` is the lead of the segment's i-th signal, None for none."""

    frames: int
    segment: Segment | None
    places: list[int | None]


class Record:
    """A record opened for reading, all its files checked for presence and length.

    name     last part of the path
    fs       samples per second and lead
    leads    names, made unique
    length   samples per lead
    start    UTC time of the first sample, s; None where the header has no date (read as UTC)

    Raises :class:`DataError` when header or signal files are missing, contradict each other or hold no
    voltage.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = record_path(path)
        self.name = self._path.name
        file = Path(f"{self._path}.hea")
        header = read_header(self._path)
        frame_rate = rate_of(file, header.fs)
        self.start = start_of_header(header)
        if is_multi(header):
            names, self._parts = self._segments(file, header.seg_name, header.seg_len)
        else:
            segment = Segment(self._path, header)
            names = [signal.name for signal in segment.signals]
            self._parts = [_Part(segment.frames, segment, list(range(len(names))))]
        segments = [part.segment for part in self._parts if part.segment is not None]
        for segment in segments:
            if segment.fs != frame_rate:
                raise DataError(
                    f"{segment.header}: {segment.fs:g} Hz in a record of {frame_rate:g} Hz; correct it"
                )
        self._factor = max(
            (signal.per_frame for segment in segments for signal in segment.signals), default=1
        )
        self.fs = frame_rate * self._factor
        self.leads = unique_names(names)
        self.length = sum(part.frames for part in self._parts) * self._factor

    def blocks(self) -> Iterator[Samples]:
        """All samples in order, [leads, n] in mV, NaN = missing; a pure function of the record's files."""
        size = max(1, _BLOCK_SAMPLES // (len(self.leads) * self._factor))
        for part in self._parts:
            if part.segment is None:
                for start in range(0, part.frames, size):
                    yield self._empty(min(size, part.frames - start))
                continue
            for voltages in part.segment.blocks(part.frames, size):
                frames = len(voltages[0]) // part.segment.signals[0].per_frame
                block = self._empty(frames)
                for place, values in zip(part.places, voltages, strict=True):
                    if place is not None:
                        block[place] = _raised(values, frames, self._factor)
                yield block

    def _empty(self, frames: int) -> Samples:
        return np.full((len(self.leads), frames * self._factor), np.nan, np.float32)

    def _segments(
        self, file: Path, names: list[str], lengths: list[int]
    ) -> tuple[list[str | None], list[_Part]]:
        folder = file.parent
        variable = lengths[0] == 0
        leads: list[str | None] = []
        parts = []
        if variable:
            layout = read_header(folder / names[0])
            units = layout.units or []
            leads = [
                n
                for n, unit in zip(layout.sig_name or [], units, strict=True)
                if (unit or "mV").lower() in MILLIVOLTS
            ]
        for name, length in zip(names[variable:], lengths[variable:], strict=True):
            segment = None if name == "~" else Segment(folder / name)
            if segment is None or length == 0:
                parts.append(_Part(length, None, []))
                continue
            if segment.frames < length:
                raise DataError(
                    f"{segment.header}: {segment.frames} samples where {file} announces {length}; "
                    "fetch the record again"
                )
            own = [signal.name for signal in segment.signals]
            leads = leads if variable else leads or own
            if variable:
                places = [leads.index(n) if n in leads else None for n in own]
            elif own == leads:
                places = list(range(len(own)))
            else:
                raise DataError(
                    f"{segment.header}: leads {own} in a record of fixed layout with {leads}; correct it"
                )
            parts.append(_Part(length, segment, places))
        if not leads or not sum(part.frames for part in parts):
            raise DataError(f"{file}: the record holds no samples of a voltage")
        return leads, parts


def _raised(values: NDArray[np.float64], frames: int, factor: int) -> NDArray[np.float64]:
    """[frames * k] to [frames * factor], each sample repeated until the next one's time."""
    per_frame = len(values) // frames
    if per_frame == factor:
        return values
    held = np.arange(factor) * per_frame // factor
    return values.reshape(frames, per_frame)[:, held].reshape(-1)
