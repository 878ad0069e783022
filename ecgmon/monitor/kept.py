"""Rows of the state file: a stream as a whole, a chunk, and what of an earlier run's can still be used.

What is stored fits a run with the same bundle, signal path and lead. A stream comes back with the limits of
alerts that it had, and takes those of the run when nothing stands. Where what is stored cannot be taken up,
the baseline alone is used, and what stood is cleared. Of another bundle, and of another lead or signal path,
nothing is used but the names of the alerts that stood, to clear them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np

from ecgmon.ecg import frontend
from ecgmon.ecg.types import Alert, Chunk
from ecgmon.errors import DataError
from ecgmon.model.baseline import Baseline
from ecgmon.monitor import snapshot
from ecgmon.monitor.alerting import standing
from ecgmon.monitor.state import StreamState, gone
from ecgmon.monitor.statefile import AddChunk, PutStream

KNOWN_SECONDS: Final = 3600.0
"""A baseline outlives our own absence by so long; then another patient may lie in the bed."""

UNREADABLE: Final = (DataError, LookupError, TypeError, ValueError, AttributeError, msgspec.MsgspecError)
"""What reading something raises that is not what it should be."""

OTHER_MODEL: Final = "were learned by another model: its baselines are not used, they are learned anew"
OTHER_SIGNAL: Final = "were seen by another lead or signal path: they are learned anew"
DAMAGED: Final = "are damaged: they are learned anew"


@dataclass(frozen=True, slots=True)
class Terms:
    """What stored state depends on: a digest of bundle, signal path, lead and layout; the bundle's hash."""

    digest: str
    model: str


def terms_of(model_hash: str, lead: str, layout: str) -> Terms:
    """The terms of a run."""
    learned = "\0".join([model_hash, frontend.fingerprint(), lead, layout])
    return Terms(hashlib.sha256(learned.encode()).hexdigest()[:16], model_hash)


@dataclass(frozen=True, slots=True)
class Kept:
    """A stream of an earlier run.

    stream    its name
    last_word what is to be published of it where it cannot be taken up: that it ended
    chunk     an empty one, of the stream's form; None where the row is damaged
    saved     for :meth:`StreamState.restore`; None where nothing of it can be used
    baseline  where the rest cannot be taken up, for the stream of this name; None where it is too old
    standing  alerts that were raised and not cleared
    """

    stream: str
    last_word: dict[str, Any]
    chunk: Chunk | None = None
    saved: Mapping[str, snapshot.Plain] | None = None
    baseline: Baseline | None = None
    standing: Sequence[Alert] = ()


def whole(state: StreamState, terms: Terms, wall: float) -> PutStream:
    """The row of a stream; ``wall`` is the UTC time, s."""
    row = {
        "terms": [terms.digest, terms.model],
        "wall": wall,
        "fs": state.fs,
        "leads": list(state.leads),
        "t": state.epoch,
        "stream": state.save(),
    }
    return PutStream(state.name, snapshot.encode(row))


def read(name: str, raw: bytes | None, terms: Terms, wall: float) -> tuple[Kept, str | None]:
    """What can be used of a row, and why that is not all of it."""
    try:
        if raw is not None:
            return _read(name, snapshot.decode(raw), terms, wall)
    except UNREADABLE:
        pass
    return Kept(name, gone(name, wall, None, None)), DAMAGED


def _read(name: str, row: dict[str, snapshot.Plain], terms: Terms, wall: float) -> tuple[Kept, str | None]:
    (digest, model), saved = row["terms"], row["stream"]
    leads = tuple(row["leads"])
    chunk = Chunk(name, float(row["fs"]), leads, np.empty((len(leads), 0), np.float32), float(row["t"]))
    last = round(chunk.t + saved["_samples"] / chunk.fs + saved["_gaps"], 3)
    kept = Kept(name, gone(name, last, last, chunk.fs), chunk, standing=standing(saved["alerts"]))
    if model != terms.model:
        return kept, OTHER_MODEL
    if digest != terms.digest:
        return kept, OTHER_SIGNAL
    known = saved["baseline"] is not None and wall - row["wall"] <= KNOWN_SECONDS
    baseline = Baseline.from_bytes(saved["baseline"]["raw"]) if known else None
    return replace(kept, saved=saved, baseline=baseline), None


def added(chunk: Chunk) -> AddChunk:
    """The row of a chunk."""
    row = {
        "fs": chunk.fs,
        "leads": list(chunk.leads),
        "t": chunk.t,
        "seq": chunk.seq,
        "end": chunk.end,
        "samples": np.ascontiguousarray(chunk.samples),
    }
    return AddChunk(chunk.stream, snapshot.encode(row))


def chunk_of(name: str, raw: bytes | None) -> Chunk | None:
    """The inverse of :func:`added`; None for a damaged row."""
    if raw is None:
        return None
    try:
        row = snapshot.decode(raw)
        samples, leads = row["samples"], tuple(row["leads"])
        if samples.shape[:-1] != (len(leads),):
            return None
        return Chunk(name, float(row["fs"]), leads, samples, float(row["t"]), row["seq"], row["end"])
    except UNREADABLE:
        return None
