"""What a message may hold: the reasons for which one is refused, the bounds, and the checks of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.errors import PayloadError

REASONS: Final = (
    "stream",  # the topic does not name a stream
    "size",  # more bytes, leads or samples than the limits allow
    "format",  # neither of the three forms, cut short, or with bytes left over
    "field",  # a key is missing or of the wrong type
    "fs",  # sampling rate out of range
    "time",  # t is no plausible UTC time in seconds
    "unit",  # a unit other than mV, uV, V
    "leads",  # no lead, a lead without a usable name, one name twice
    "samples",  # no sample, leads of unequal length, a value that is no number or beyond any electrode
)
"""Every reason that a :class:`PayloadError` of this package carries: a bounded set, fit for a label."""

MAX_T: Final = 4_102_444_800.0
"""The year 2100: a larger ``t`` is in milliseconds or broken."""
MAX_MILLIVOLT: Final = 5_000.0
"""Beyond any amplifier on skin (electrode offsets reach 0.3 V); catches converter steps sent as millivolt."""
MAX_LEAD_NAME: Final = 32


class Limits(Settings, frozen=True):
    """How large one message may be."""

    max_bytes: Annotated[int, Meta(ge=64, le=64_000_000, description="bytes in one message")] = 1_000_000
    max_leads: Annotated[int, Meta(ge=1, le=255, description="leads in one message")] = 32
    max_samples: Annotated[int, Meta(ge=1, le=1_000_000, description="samples a lead in one message")] = (
        65_535
    )
    min_fs: Annotated[float, Meta(ge=100, le=1000, description="lowest sampling rate, Hz")] = 100.0
    max_fs: Annotated[float, Meta(ge=100, le=1000, description="highest sampling rate, Hz")] = 1000.0


DEFAULT_LIMITS: Final = Limits()


def check_head(fs: float, t: float, limits: Limits) -> None:
    """Refuse a rate or a time that is out of range."""
    if not limits.min_fs <= fs <= limits.max_fs:
        raise PayloadError("fs", f"fs {fs:g} Hz; {limits.min_fs:g} to {limits.max_fs:g} Hz are taken")
    if not 0 <= t < MAX_T:
        hint = "; seconds are expected, not milliseconds" if MAX_T <= t < math.inf else ""
        raise PayloadError("time", f"t {t:g} is no UTC time in seconds{hint}")


def check_counts(leads: int, counts: Sequence[int], limits: Limits) -> None:
    """Refuse too many leads or samples, none, and leads of unequal length; ``counts`` are samples of each
    lead, or once where all have as many."""
    if not leads:
        raise PayloadError("leads", "no lead")
    if leads > limits.max_leads:
        raise PayloadError("size", f"{leads} leads; at most {limits.max_leads} are taken")
    least, most = min(counts), max(counts)
    if most > limits.max_samples:
        raise PayloadError("size", f"{most} samples in a lead; at most {limits.max_samples} are taken")
    if least != most:
        raise PayloadError("samples", f"leads of unequal length: {least} and {most} samples")
    if not most:
        raise PayloadError("samples", "no sample")


def check_amplitude(largest: float) -> None:
    """Refuse a largest amplitude, in mV, that no electrode delivers."""
    if not largest <= MAX_MILLIVOLT:
        raise PayloadError("samples", f"a sample of {largest:g} mV; is the unit right?")


def checked_names(names: list[str]) -> tuple[str, ...]:
    """The names as a tuple, if each is printable and none stands twice."""
    for name in names:
        if not (0 < len(name) <= MAX_LEAD_NAME and name.isprintable()):
            shown = name[:MAX_LEAD_NAME]
            raise PayloadError("leads", f"lead name {shown!a}; 1 to {MAX_LEAD_NAME} printable characters")
    if len(set(names)) != len(names):
        raise PayloadError("leads", f"one lead name twice among {names}")
    return tuple(names)
