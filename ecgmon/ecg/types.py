"""What travels along the arrows of the design: chunk, beat, score, alert.

Units everywhere: samples in millivolt, time in seconds, UTC as seconds since 1970, heart rate in beats per
minute, probabilities 0..1. "Stream time" counts seconds from the first sample of the stream, gaps included.

What comes with each chunk, beat or second is a struct: made much quicker than a frozen dataclass. But
for chunks, which hold a caller's function, they are part of no cycle, and nothing that the garbage collector
follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

FS: Final = 125
"""Rate behind the resampler, in Hz: one rate for detector, window and model."""

WINDOW: Final = 187
"""Samples in a beat's window: 1.496 s at 125 Hz."""

R_INDEX: Final = 93
"""Where the R-peak stands in a window of the layout ``centred``."""

Samples = NDArray[np.float32]
Layout = Literal["centred", "kachuee"]


class Chunk(msgspec.Struct, frozen=True, eq=False):
    """A piece of one stream as a source hands it on.

    ``samples`` has shape [leads, n], in mV; NaN marks a sample that is missing. ``t`` is the UTC time of the
    first sample. ``seq`` counts the stream's chunks where the source numbers them. ``end`` says that nothing
    follows. ``ack`` is called once, after everything that this chunk completed has been handed on.
    ``received`` is the monotonic time, s, at which a live source had it; None: when it is fed.
    """

    stream: str
    fs: float
    leads: tuple[str, ...]
    samples: Samples
    t: float
    seq: int | None = None
    end: bool = False
    ack: Callable[[], None] | None = None
    received: float | None = None


class Beat(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One beat, as the frontend cuts it from one lead.

    index       running number in the stream, from 0
    r           stream time of the R-peak, s, finer than the 125 Hz grid
    ready       stream time of the sample that completed the beat, s: what a live monitor has to wait for
    window      [187] mV after the filters, in the layout the frontend was made for
    scale       the stream's usual QRS size (running median of peak to peak), mV; > 0
    rr          RR interval to the beat before, s; NaN for the first beat, across a gap, and where the beat
                before was not good
    rr_local    the basic RR interval before this beat, s: a high quantile of the last 48, pauses behind early
                beats evened out; NaN while fewer than three are known
    good        the signal around the beat passed the quality gate; others are counted, not scored
    irregularity
                how much RR intervals changed from beat to beat before this one, as a share: 0.02 in sinus
                rhythm, 0.2 in atrial fibrillation; NaN while fewer than three changes are known
    """

    index: int
    r: float
    ready: float
    window: Samples
    scale: float
    rr: float
    rr_local: float
    good: bool
    irregularity: float = float("nan")
    size: float = float("nan")


class Quality(msgspec.Struct, frozen=True, gc=False):
    """The verdict over one second of signal: ``second`` s to ``second + 1`` s of stream time."""

    second: int
    flat: bool = False
    """No more than noise of the converter: lead off, or no electrical activity."""
    clipped: bool = False
    """The signal sits at its largest or smallest value: the amplifier is saturated."""
    noisy: bool = False
    """More power outside the band of the QRS than a detector can be trusted with."""
    missing: bool = False
    """Samples were missing (NaN or a gap)."""
    extents: tuple[float, ...] = ()
    """[5] peak to peak of the filtered signal in each fifth of the second, mV; empty in a gap, and where the
    stream ended within the second."""
    wander: float = 0.0
    """How far the baseline moved in the second, mV; 0 where ``extents`` are empty."""
    partial: bool = False
    """Samples were missing, but of a fifth of the second or more all came."""

    @property
    def good(self) -> bool:
        return not (self.flat or self.clipped or self.noisy or self.missing)


class Score(msgspec.Struct, frozen=True, eq=False, gc=False):
    """How odd one beat is.

    score           larger is odder; comparable between streams
    p_value         probability that a normal beat of this stream scores at least as high, 0..1
    odd             ``p_value`` is at or under the threshold of beats: the share of normal ones that may be so
    alarming        it is at or under the threshold of alerts, which several such beats raise; then also odd
    parts           what made it odd: ``pre_qrs`` (P wave), ``qrs``, ``st_t`` (ST segment and T wave) and
                    ``rhythm`` (prematurity), each in standard deviations beyond this patient's usual; of
                    ``pre_qrs`` and ``st_t``, in an irregular rhythm, beyond what the last beats had in common
    reconstruction  [187] mV, what the autoencoder made of the window, drawn half-way back to the patient's
                    usual beat where there is one
    reference       [187] mV, the patient's own usual beat, laid on the window and in the beat's gain; None
                    while there is none, and for windows without millivolts (layout ``kachuee``)
    """

    score: float
    p_value: float
    odd: bool
    alarming: bool
    parts: dict[str, float]
    reconstruction: Samples
    reference: Samples | None = None


AlertKind = Literal[
    "anomalous-beats", "asystole", "pause", "bradycardia", "tachycardia", "lead-off", "noise", "stream-lost"
]
AlertState = Literal["raised", "cleared"]
Severity = Literal["info", "warning", "critical"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was measured to be odd, in a clinician's words; codes in :mod:`ecgmon.monitor.evidence`.

    ``value`` and ``usual``, in ``unit``, are medians over the beats that show it; absent where there is no
    figure to give.
    """

    code: str
    text: str
    beats: int
    """How many of the alert's odd beats show it."""
    value: float | None = None
    usual: float | None = None
    unit: str | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert rests on: the oddest beat so far, so that a person can look, and findings of all."""

    window: list[float]
    """[187] mV at 125 Hz."""
    reconstruction: list[float]
    """[187] mV: what the autoencoder made of the window, half-way back to the patient's usual beat."""
    error: float
    """Root mean square of window minus reconstruction, mV."""
    r_peaks: list[float]
    """UTC times of the odd beats' R-peaks, oldest first, the last 32 at most."""
    parts: dict[str, float]
    """What made the beat odd, as in :class:`Score`."""
    findings: list[Finding] = []
    """What was odd, one entry a code, in a fixed order; what could not be measured is not said."""
    summary: str = ""
    """The findings on one line."""


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    """Which bundle made the scores."""

    name: str
    hash: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One message of an alert's life: ``raised`` once, ``cleared`` once, both with the same ``id``.

    All times are UTC seconds on the stream's own clock. ``onset`` is the first odd R-peak, ``end`` the last
    one so far; of other kinds, where the condition began (of a silence the last beat, of a lost stream its
    last sample) and how far it is known to have held. ``time`` is the moment that decided; of verdicts over
    seconds the second's end, and the wait for the filters and for late beats, 1.5 s, comes on top.
    """

    schema: str = "ecgmon.alert/1"
    id: str
    stream: str
    kind: AlertKind
    state: AlertState
    severity: Severity
    onset: float
    end: float
    time: float
    beats: int
    score: float | None
    p_value: float | None
    threshold: float | None
    heart_rate: float | None
    evidence: Evidence | None
    model: ModelRef
