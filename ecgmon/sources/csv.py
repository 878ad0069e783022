"""CSV files of samples as a source: one stream a file, named like the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from ecgmon.ecg.types import Chunk
from ecgmon.errors import UsageError
from ecgmon.sources.base import Clock, Playback, PlaybackSettings, check_names, cut, start_of
from ecgmon.sources.csv_reader import CsvRecord, Declared


class CsvSettings(PlaybackSettings, frozen=True, kw_only=True, tag_field="type", tag="csv"):
    """Recordings as text: see :mod:`ecgmon.sources.csv_reader` for what is understood."""

    files: Annotated[
        list[str],
        Meta(min_length=1, description="CSV files, played side by side", examples=[["bed-3.csv"]]),
    ]
    fs: (
        Annotated[float, Meta(ge=1, le=100_000, description="samples per second; default: as the file says")]
        | None
    ) = None
    unit: Annotated[str, Meta(description="V, mV, uV or nV; default: as the file says, else mV")] | None = (
        None
    )


class CsvSource(Playback):
    """Plays CSV files side by side, in time order. The head of each is checked before the first chunk."""

    def __init__(self, settings: CsvSettings, clock: Clock | None = None) -> None:
        super().__init__(settings.speed, clock)
        self._settings = settings

    def _open_streams(self) -> list[Iterator[Chunk]]:
        settings = self._settings
        records = [CsvRecord(path, Declared(settings.fs, settings.unit)) for path in settings.files]
        names = [record.name for record in records]
        check_names(settings.files, names)
        for name in names:
            if names.count(name) > 1:
                raise UsageError(
                    f"files: two are named {name}, and a stream bears its file's name; rename one"
                )
        return [
            cut(
                record.blocks(), stream=record.name, fs=record.fs, leads=record.leads,
                start=start_of(settings, record.start, self._clock), seconds=settings.chunk_seconds,
            )
            for record in records
        ]  # fmt: skip
