"""Are we alive, are we ready? Broker, model and pipeline are told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from ecgmon.ecg.types import ModelRef
from ecgmon.monitor.answers import Page, json_page
from ecgmon.sinks.base import Sink
from ecgmon.sources.base import Source

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at what was shed."""

SHEDDING_SECONDS: Final = 10.0
"""What was shed so long ago is shedding no more."""


class Health:
    """Answers ``/healthz`` and ``/readyz``.

    Alive: the compute loop went round within ``stall_seconds``. Ready: alive, not shutting down, every broker
    in use has accepted us, and no sink is in trouble. What needs no broker counts as connected. An outbox
    that is no longer on disk is shown, but alerts still get out.
    """

    def __init__(
        self,
        model: ModelRef,
        source: Source,
        sinks: Mapping[str, Sink],
        clock: Callable[[], float],
        stall_seconds: float,
    ) -> None:
        self._model = model
        self._ends: dict[str, Source | Sink] = {"source": source, **sinks}
        self._clock = clock
        self.stall_seconds = stall_seconds
        self._last: float | None = None
        self._shed = {"chunks": 0, "alerts": 0}
        self._shed_at: float | None = None
        self._looked: float | None = None
        self.draining = False
        """Set when the service shuts down: no longer ready, still alive."""
        self.durable: Callable[[], bool] | None = None
        """Whether the streams are on disk, where that was asked for: shown, but no reason not to be ready."""

    def beat(self) -> None:
        """The loop went round."""
        self._last = now = self._clock()
        if self._looked is None or now - self._looked >= LOOK_EVERY:
            self._look(now)

    def alive(self) -> Page:
        """200 while the loop goes round, 503 when it stalls; before its first round it is starting."""
        pipeline = self._pipeline()
        return json_page(
            {"status": "ok" if pipeline["ok"] else "stalled", **pipeline}, _status(pipeline["ok"])
        )

    def ready(self) -> Page:
        """200 when chunks can come in and alerts go out, else 503; each part with its own word."""
        parts = self._parts()
        parts |= {
            "shedding": self._shedding(),
            **({} if self.durable is None else {"state": {"durable": self.durable()}}),
        }
        return json_page(parts, _status(parts["ready"]))

    def amiss(self) -> list[str]:
        """The parts that are why we are not ready: of ``broker``, ``pipeline`` and ``sinks``."""
        parts = self._parts()
        return [name for name in ("broker", "pipeline", "sinks") if not parts[name]["ok"]]

    def _parts(self) -> dict[str, Any]:
        brokers = {name: _connection(end) for name, end in self._ends.items()}
        broker_ok = all(part["ok"] for part in brokers.values())
        sinks = {name: _delivery(end) for name, end in self._ends.items() if name != "source"}
        sinks_ok = all(part["ok"] for part in sinks.values())
        pipeline = self._pipeline()
        if self._last is None:
            pipeline = {"ok": False, "detail": "starting"}
        elif self.draining:
            pipeline = {"ok": False, "detail": "shutting down"}
        ok = broker_ok and sinks_ok and bool(pipeline["ok"])
        return {
            "ready": ok,
            "broker": {"ok": broker_ok, **brokers},
            "model": {"ok": True, "name": self._model.name, "hash": self._model.hash},
            "pipeline": pipeline,
            "sinks": {"ok": sinks_ok, **sinks},
        }

    def _look(self, now: float) -> None:
        """Has more been shed since the last look?"""
        self._looked = now
        shed = {"chunks": 0, "alerts": 0}
        for name, end in self._ends.items():
            stats: Callable[[], Mapping[str, Any]] | None = getattr(end, "stats", None)
            found = stats() if stats else {}
            if name == "source":
                shed["chunks"] += found.get("dropped", {}).get("queue-full", 0)
            else:
                shed["alerts"] += found.get("shed", 0)
        if shed != self._shed:
            self._shed, self._shed_at = shed, now

    def _shedding(self) -> dict[str, Any]:
        now = self._clock()
        self._look(now)
        return {"now": self._shed_at is not None and now - self._shed_at < SHEDDING_SECONDS, **self._shed}

    def _pipeline(self) -> dict[str, Any]:
        silent = 0.0 if self._last is None else self._clock() - self._last
        return {"ok": silent <= self.stall_seconds, "loop_age_seconds": round(silent, 3)}


def _connection(end: Source | Sink) -> dict[str, Any]:
    """``connected`` and ``last_error`` where the source or sink has a broker."""
    connected = bool(getattr(end, "connected", True))
    error = getattr(end, "last_error", None)
    return {"ok": connected} if connected or error is None else {"ok": connected, "error": str(error)}


def _delivery(sink: Source | Sink) -> dict[str, Any]:
    """``trouble`` and ``durable`` where the sink knows of them."""
    trouble, durable = getattr(sink, "trouble", None), getattr(sink, "durable", None)
    part: dict[str, Any] = {"ok": trouble is None}
    if trouble is not None:
        part["error"] = str(trouble)
    return part if durable is None else {**part, "durable": durable}


def _status(ok: bool) -> HTTPStatus:
    return HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
