"""What the API answers, as types: answers are made from them, and so is their description."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ecgmon.ecg.types import AlertKind, Samples
from ecgmon.monitor.web.store import RecentStore
from ecgmon.monitor.web.strip import ALARMING, GOOD, LONG_CHUNK, ODD, SCORED, Figures, Strip, Whole

OLD: Final = 3.0
"""Samples that are older, s, beyond what a chunk of theirs takes, are not shown as live."""

KINDS: Final = get_args(AlertKind)

Condition = Literal["live", "delayed", "stale", "ended"]


class Standing(msgspec.Struct, frozen=True):
    """An alert that stands."""

    id: str
    kind: str
    severity: str
    onset: Annotated[float, Meta(description="UTC, s")]


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One stream, now."""

    id: Annotated[int, Meta(description="its number in this run of the daemon")]
    name: str
    condition: Annotated[
        Condition,
        Meta(description="delayed: data come, but old ones; stale: none came for seconds; ended: discharged"),
    ]
    limit: Annotated[float, Meta(description="age, s, from which on the stream is stale")]
    lead: str | None
    fs: Annotated[float | None, Meta(description="samples per second, as the device sends them")]
    rate: Annotated[float | None, Meta(description="samples per second, as they are kept here")]
    quality: Literal["good", "noisy", "clipped", "flat", "missing", "unknown"]
    heart_rate: Annotated[float | None, Meta(description="beats per minute")]
    beats: int
    odd_beats: int
    alerts: list[Standing]


class StreamNow(msgspec.Struct, frozen=True, kw_only=True):
    """A stream with the age of its newest sample."""

    stream: StreamStatus
    age: Annotated[float | None, Meta(description="s, by the daemon's clock; null: no sample yet")]


class StreamList(msgspec.Struct, frozen=True, kw_only=True):
    """All streams."""

    run: Annotated[str, Meta(description="another run of the daemon counts anew")]
    streams: list[StreamNow]


class SampleList(msgspec.Struct, frozen=True, kw_only=True):
    """The newest samples of the watched lead."""

    name: str
    lead: str | None
    rate: Annotated[float, Meta(description="samples per second")]
    first: Annotated[int, Meta(description="number of the first sample")]
    t: Annotated[float, Meta(description="UTC of the first sample, s")]
    mv: Annotated[list[float | None], Meta(description="mV; null: missing")]


class BeatRow(msgspec.Struct, frozen=True, kw_only=True):
    """One beat."""

    number: int
    t: Annotated[float | None, Meta(description="UTC of the R-peak, s")]
    rr: Annotated[float | None, Meta(description="RR interval to the beat before, s")]
    good: Annotated[bool, Meta(description="the signal was good enough to score it")]
    score: float | None
    p_value: float | None
    odd: bool
    alarming: Annotated[bool, Meta(description="it counts towards an alert")]
    window: Annotated[list[float] | UnsetType, Meta(description="187 samples, mV, at 125 Hz")] = UNSET
    reconstruction: Annotated[list[float] | UnsetType, Meta(description="as restored, mV")] = UNSET


class BeatList(msgspec.Struct, frozen=True, kw_only=True):
    """The newest beats, oldest first; those of which the window is still known have one."""

    name: str
    beats: list[BeatRow]


class AlertPage(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts, the newest first, each as on MQTT but for the samples of its evidence."""

    alerts: list[dict[str, Any]]
    next: Annotated[int | None, Meta(description="ask for `before` this to get the next page; null: no more")]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, as in RFC 9457."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str


def status_of(store: RecentStore, strip: Strip) -> StreamNow:
    """How a stream is."""
    age = store.age(strip)
    trace, state = strip.trace, strip.state
    limit = OLD + min(strip.span, LONG_CHUNK)
    condition: Condition = "live"
    if strip.ended is not None:
        condition = "ended"
    elif age > limit:
        condition = "delayed" if store.since(strip) <= limit else "stale"
    ended = condition == "ended"
    return StreamNow(
        age=round(age, 2) if math.isfinite(age) else None,
        stream=StreamStatus(
            id=strip.id,
            name=strip.name,
            condition=condition,
            limit=limit,
            lead=strip.lead,
            fs=None if trace is None else trace.fs,
            rate=None if trace is None else trace.rate,
            quality="unknown" if ended else strip.quality,  # type: ignore[arg-type] # one of the words
            heart_rate=None if ended else strip.heart_rate(store.epoch(strip.name)),
            beats=state.beats,
            odd_beats=state.odd_beats,
            alerts=[Standing(**alert) for alert in state.alerts],
        ),
    )


def beat_row(figures: Figures, epoch: float | None, whole: Whole | None) -> BeatRow:
    """A beat; ``whole`` where it is known."""
    flags = figures.flags
    row = BeatRow(
        number=figures.number,
        t=None if epoch is None else round(epoch + figures.r, 4),
        rr=_number(figures.rr, 4),
        good=bool(flags & GOOD),
        score=_number(figures.score, 4),
        p_value=float(f"{figures.p_value:.4g}") if flags & SCORED else None,
        odd=bool(flags & ODD),
        alarming=bool(flags & ALARMING),
    )
    if whole is None:
        return row
    _, window, reconstruction = whole
    restored = UNSET if reconstruction is None else rounded(reconstruction)
    return msgspec.structs.replace(row, window=rounded(window), reconstruction=restored)


def rounded(window: Samples) -> list[float]:
    """Samples for JSON, to a tenth of a microvolt."""
    values: list[float] = window.astype(float).round(4).tolist()
    return values


def _number(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
