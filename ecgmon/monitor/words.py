"""Findings in a clinician's words, and many of them on one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, get_args

from ecgmon.ecg.types import Finding
from ecgmon.monitor.findings import Code

VERY: Final = 0.7
"""An RR of this share of the usual one, or less, is very early."""

SAID: Final = 2
"""The summary names what at least one in so many odd beats shows; nothing so common: the commonest."""

MOST: Final = 4
"""So many findings of beats, at most, stand in the summary."""


class Words(NamedTuple):
    """How a finding is said. ``figure`` is what was measured, in ``unit`` with ``digits`` decimals."""

    name: str
    figure: str = ""
    unit: str = ""
    digits: int = 0


PATTERNS: Final = {
    "bigeminy": "bigeminy",
    "trigeminy": "trigeminy",
    "every-second-beat": "every second beat odd",
    "every-third-beat": "every third beat odd",
}
"""How an order of odd and calm beats by turns is said."""

WORDS: Final[dict[str, Words]] = {
    "wide-qrs": Words("wide QRS", "", "ms"),
    "inverted-qrs": Words("QRS of opposite polarity"),
    "abnormal-qrs": Words("abnormal QRS shape"),
    "large-qrs": Words("QRS larger than usual", "", "mV", 1),
    "small-qrs": Words("QRS smaller than usual", "", "mV", 1),
    "pause": Words("pause", "RR ", "s", 2),
    "early-beat": Words("early", "RR ", "s", 2),
    "late-beat": Words("late", "RR ", "s", 2),
    "compensatory-pause": Words("compensatory pause", "RR ", "s", 2),
    "no-p-wave": Words("no P-like wave before the QRS"),
    "abnormal-st-t": Words("abnormal ST-T"),
}

ORDER: Final[tuple[Code, ...]] = get_args(Code)
"""Findings of beats are told in this order, behind those of rows."""


def worded(code: Code, beats: int, value: float, usual: float) -> Finding:
    """The finding ``code`` of so many beats; figures as in :data:`~ecgmon.monitor.findings.Shown`."""
    words = WORDS[code]
    if not words.unit:
        text = {
            "abnormal-qrs": f"{words.name}, correlation {value:.2f} with the usual one",
            "abnormal-st-t": f"{words.name}, {100 * value:.0f} % of the QRS size from the usual one",
            "no-p-wave": f"{words.name}, usually there is one",
        }.get(code, words.name)
        return Finding(code=code, text=text, beats=beats, value=round(value, 2))
    name = f"very {words.name}" if code == "early-beat" and value <= VERY * usual else words.name
    v, u = f"{value:.{words.digits}f}", f"{usual:.{words.digits}f}"
    text = f"{name}: {words.figure}{v} {words.unit}, usually {u} {words.unit}"
    if code == "early-beat":
        text += f", {100 - 100 * value / usual:.0f} % shorter"
    digits = max(words.digits, 2) if words.unit == "mV" else words.digits
    return Finding(
        code=code, text=text, beats=beats, unit=words.unit,
        value=round(value, digits), usual=round(usual, digits),
    )  # fmt: skip


def run(beats: int, rate: float) -> Finding:
    """So many odd beats in a row, at ``rate`` a minute."""
    text = f"run of {beats} odd beats at {rate:.0f}/min"
    return Finding(code="run", text=text, beats=beats, value=round(rate), unit="/min")


def pattern(code: str, beats: int) -> Finding:
    """One of :data:`PATTERNS`, of so many odd beats."""
    said = PATTERNS[code]
    name = f"{code}: " if said == code else ""
    which = "second" if code in {"bigeminy", "every-second-beat"} else "third"
    return Finding(code=code, text=f"{name}every {which} beat odd, {beats} times", beats=beats)


def summary(odd: int, of: int, findings: Sequence[Finding]) -> str:
    """One line for ``odd`` odd beats among ``of``, such as
    ``3 beats in a row at 130/min, wide QRS (150 ms, usually 88), early in 2 (RR 0.52 s, usually 0.81)``."""
    if odd == 0:
        return ""
    rows = {finding.code: finding for finding in findings if finding.code not in WORDS}
    row = rows.get("run")
    whole = row is not None and row.beats == odd == of
    parts = [f"{odd} beats in a row" if whole else _count(odd, of)]
    if row is not None:
        rate = f" at {row.value:.0f}/min"
        parts = [f"{parts[0]}{rate}"] if whole else [*parts, f"{row.beats} of them in a row{rate}"]
    every = max((rows[c] for c in PATTERNS if c in rows), key=_beats, default=None)
    if every is not None and every.beats * SAID >= odd:
        parts.append(PATTERNS[every.code])
    return ", ".join([*parts, *(_said(finding, odd) for finding in _worth(findings, odd))])


def _count(odd: int, of: int) -> str:
    beats = f"{odd} beat{'s' if odd > 1 else ''}"
    return f"{odd} of {of} beats" if of > odd else beats


def _beats(finding: Finding) -> int:
    return finding.beats


def _worth(findings: Sequence[Finding], odd: int) -> list[Finding]:
    """Those of beats that are common enough to be said, and that a wide QRS does not say already."""
    wide = next((f.beats for f in findings if f.code == "wide-qrs"), 0)
    new = [f for f in findings if f.code in WORDS and not (f.code == "abnormal-qrs" and f.beats <= wide)]
    common = [f for f in new if f.beats * SAID >= odd] or sorted(new, key=_beats, reverse=True)[:1]
    return common[:MOST]


def _said(finding: Finding, odd: int) -> str:
    words = WORDS[finding.code]
    where = f" in {finding.beats}" if finding.beats < odd else ""
    if not finding.unit or finding.code == "compensatory-pause":
        return f"{words.name}{where}"
    name = finding.text.partition(":")[0]
    value, usual = f"{finding.value:.{words.digits}f}", f"{finding.usual:.{words.digits}f}"
    return f"{name}{where} ({words.figure}{value} {words.unit}, usually {usual})"
