"""WFDB records as a source: one stream a record, named like the record, all its leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from ecgmon.ecg.types import Chunk
from ecgmon.errors import UsageError
from ecgmon.sources.base import Clock, Playback, PlaybackSettings, check_names, cut, start_of
from ecgmon.sources.wfdb_record import Record


class WfdbSettings(PlaybackSettings, frozen=True, kw_only=True, tag_field="type", tag="wfdb"):
    """Recordings in WFDB format, played together."""

    records: Annotated[
        list[str],
        Meta(
            min_length=1,
            description="paths without suffix, such as mitdb/208; played side by side",
            examples=[["mitdb/208"]],
        ),
    ]


class WfdbSource(Playback):
    """Plays records side by side, in time order. All files are checked before the first chunk."""

    def __init__(self, settings: WfdbSettings, clock: Clock | None = None) -> None:
        super().__init__(settings.speed, clock)
        self._settings = settings

    def _open_streams(self) -> list[Iterator[Chunk]]:
        records = [Record(path) for path in self._settings.records]
        names = [record.name for record in records]
        check_names(self._settings.records, names)
        for name in names:
            if names.count(name) > 1:
                raise UsageError(
                    f"records: two are named {name}, and a stream bears its record's name; play one of them"
                )
        return [self._play(record) for record in records]

    def _play(self, record: Record) -> Iterator[Chunk]:
        return cut(
            record.blocks(), stream=record.name, fs=record.fs, leads=record.leads,
            start=start_of(self._settings, record.start, self._clock), seconds=self._settings.chunk_seconds,
        )  # fmt: skip
