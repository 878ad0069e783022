"""The API: what is asked for, from the store. Described in :mod:`.openapi`; tests hold both together."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from ecgmon.ecg.types import FS
from ecgmon.monitor.answers import Page, Request, Stream
from ecgmon.monitor.web.asked import Query, Refused
from ecgmon.monitor.web.feed import Feed, Wish
from ecgmon.monitor.web.history import Told
from ecgmon.monitor.web.openapi import document
from ecgmon.monitor.web.shapes import (
    KINDS,
    BeatList,
    SampleList,
    StreamList,
    beat_row,
    status_of,
)
from ecgmon.monitor.web.store import RecentStore
from ecgmon.monitor.web.strip import BEATS, Strip
from ecgmon.monitor.web.trace import MISSING, READABLE, STEP_MV

ROOT: Final = "/api/v1/"
UNBUFFERED: Final = (("X-Accel-Buffering", "no"),)
"""Tells a proxy to hand on events as they come."""

PAGE: Final = 50
"""Alerts on a page, unless told."""

MOST: Final = 200
"""And at most."""


class Api:
    """Answers requests below ``/api/``; raises :class:`Refused`."""

    def __init__(self, store: RecentStore, feed: Feed) -> None:
        self._store = store
        self._feed = feed
        self._of_streams: dict[str, Callable[[Strip, Request], Page]] = {
            "": self._one,
            "samples": self._samples,
            "beats": self._beats,
        }

    def answer(self, request: Request) -> Page | Stream:
        """What was asked for."""
        if request.path == "/api/openapi.json":
            Query(request.query, ())
            return _json(document())
        if not request.path.startswith(ROOT):
            raise Refused(HTTPStatus.NOT_FOUND, "the API is described at /api/openapi.json")
        match [unquote(part) for part in request.path.removeprefix(ROOT).split("/")]:
            case ["streams"]:
                return self._all(request)
            case ["streams", name, *rest] if "/".join(rest) in self._of_streams and rest != [""]:
                strip = self._store.named(name)
                if strip is None:
                    raise Refused(HTTPStatus.NOT_FOUND, f"there is no stream {name[:80]!a} now")
                return self._of_streams["/".join(rest)](strip, request)
            case ["alerts"]:
                return self._alerts(request)
            case ["alerts", id_]:
                return self._alert(id_, request)
            case ["live"]:
                return self._live(request)
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "the API is described at /api/openapi.json")

    def _all(self, request: Request) -> Page:
        Query(request.query, ())
        streams = [status_of(self._store, strip) for strip in self._store.strips()]
        return _json(StreamList(run=self._store.run, streams=streams))

    def _one(self, strip: Strip, request: Request) -> Page:
        Query(request.query, ())
        return _json(status_of(self._store, strip))

    def _samples(self, strip: Strip, request: Request) -> Page:
        query = Query(request.query, ("seconds",))
        seconds = query.whole("seconds", READABLE // FS, 1, READABLE // FS)
        trace = strip.trace
        if trace is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"stream {strip.name!a} has sent no samples")
        first, found = trace.read(trace.head - round(seconds * trace.rate))
        mv: list[Any] = (found * STEP_MV).round(4).tolist()
        shown = [None if step == MISSING else value for step, value in zip(found.tolist(), mv, strict=True)]
        t = round(trace.origin + first / trace.rate, 4)
        return _json(
            SampleList(name=strip.name, lead=strip.lead, rate=trace.rate, first=first, t=t, mv=shown)
        )

    def _beats(self, strip: Strip, request: Request) -> Page:
        limit = Query(request.query, ("limit",)).whole("limit", BEATS, 1, BEATS)
        kept = [*(strip.watched or ()), *([] if strip.latest is None else [strip.latest])]
        whole = {each[0]: each for each in kept}
        epoch = self._store.epoch(strip.name)
        rows = [beat_row(one, epoch, whole.get(one.number)) for one in strip.figures()[-limit:]]
        return _json(BeatList(name=strip.name, beats=rows))

    def _alerts(self, request: Request) -> Page:
        query = Query(request.query, ("stream", "kind", "state", "before", "limit"))
        limit = query.whole("limit", PAGE, 1, MOST)
        before = query.whole("before", 10**15, 0, 10**15)
        stream = query.text("stream")
        kind, state = query.one_of("kind", KINDS), query.one_of("state", ("raised", "cleared"))

        def wanted(told: Told) -> bool:
            return (
                told.first < before
                and stream in {None, told.stream}
                and kind in {None, told.kind}
                and state in {None, told.state}
            )

        found = list(islice(filter(wanted, self._store.alerts.newest()), limit + 1))
        more = found[limit - 1].first if len(found) > limit else None
        return _json({"alerts": [msgspec.Raw(told.brief) for told in found[:limit]], "next": more})

    def _alert(self, id_: str, request: Request) -> Page:
        Query(request.query, ())
        told = self._store.alerts.get(id_)
        if told is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such alert, or it is too long ago")
        return Page(HTTPStatus.OK, "application/json", told.json + b"\n")

    def _live(self, request: Request) -> Stream:
        query = Query(request.query, ("run", "see", "focus", "alerts"))
        return Stream("text/event-stream", self._feed.view(Wish.of(query, self._store.run)), UNBUFFERED)


def _json(value: Any) -> Page:
    return Page(HTTPStatus.OK, "application/json", msgspec.json.encode(value) + b"\n")
