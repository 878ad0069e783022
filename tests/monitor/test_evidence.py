"""Findings counted over an alert, put into words, and kept small."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgmon.ecg.episodes import EpisodeSettings
from ecgmon.ecg.types import FS, R_INDEX, WINDOW, Alert, Beat, Evidence, ModelRef, Samples, Score
from ecgmon.model.parts import PARTS
from ecgmon.monitor import findings
from ecgmon.monitor.alerting import StreamAlerts
from ecgmon.monitor.evidence import EpisodeFindings
from ecgmon.monitor.findings import Code
from ecgmon.monitor.policies import AlertSettings
from ecgmon.monitor.words import ORDER, WORDS, summary, worded
from ecgmon.sinks.console import format_alert
from ecgmon.transport.payloads import decode_alert, encode_alert

T = (np.arange(WINDOW) - R_INDEX) / FS
EIGHT = AlertSettings(anomalous_beats=EpisodeSettings(clear_beats=8, clear_seconds=30.0, run_beats=64))


def drawn(width: float = 0.012, p: float = 0.12) -> Samples:
    waves = np.exp(-0.5 * (T / width) ** 2) + p * np.exp(-0.5 * ((T + 0.17) / 0.022) ** 2)
    return (waves + 0.25 * np.exp(-0.5 * ((T - 0.29) / 0.045) ** 2)).astype(np.float32)


USUAL, WIDE = drawn(), drawn(0.035, p=0.0)


def rhythm(marks: str, *, regular: int = 12) -> list[tuple[Beat, Score | None]]:
    """'.' a usual beat, 'V' a wide early odd one, 'x' an odd one of usual shape and time, '?' one not scored;
    ``regular`` usual ones before them."""
    beats: list[tuple[Beat, Score | None]] = []
    t, before = 0.0, "."
    for i, mark in enumerate("." * regular + marks):
        rr = 0.5 if mark == "V" else 1.1 if before == "V" else 0.8
        t += rr
        window = WIDE if mark == "V" else USUAL
        odd = mark in "Vx"
        beat = Beat(i, t, t + 1.3, window, 1.0, rr if i else math.nan, 0.8, good=mark != "?")
        score = Score(
            6.0 if odd else 0.5, 1e-4 if odd else 0.5, odd, odd, {"qrs": 2.0, "rhythm": 1.0}, USUAL, USUAL
        )
        beats.append((beat, None if mark == "?" else score))
        before = mark
    return beats


def play(marks: str, settings: AlertSettings | None = None) -> list[Alert]:
    stream = StreamAlerts("bed-1", settings or EIGHT, ModelRef(name="m", hash="abc"), 0.01)
    found: list[Alert] = []
    for beat, score in rhythm(marks):
        found += [a for a in stream.beat(beat, score, 1.7e9) if a.kind == "anomalous-beats"]
    return found


def evidence(alert: Alert) -> Evidence:
    assert alert.evidence is not None
    return alert.evidence


def codes(alert: Alert) -> dict[str, int]:
    return {finding.code: finding.beats for finding in evidence(alert).findings}


def test_a_run_is_counted_and_its_rate_said() -> None:
    (raised,) = play("VVV")
    assert codes(raised) == {"run": 3, "wide-qrs": 3, "early-beat": 3, "no-p-wave": 3}
    assert evidence(raised).findings[0].text == "run of 3 odd beats at 120/min"
    assert evidence(raised).summary.startswith("3 beats in a row at 120/min, wide QRS (")
    assert "early (RR 0.50 s, usually 0.80)" in evidence(raised).summary.replace("very ", "")


def test_a_finding_has_a_code_words_a_count_and_both_figures() -> None:
    (raised,) = play("VVV")
    wide = next(f for f in evidence(raised).findings if f.code == "wide-qrs")
    assert wide.value is not None
    assert wide.usual is not None
    assert wide.text == f"wide QRS: {wide.value:.0f} ms, usually {wide.usual:.0f} ms"
    assert (wide.beats, wide.unit) == (3, "ms")
    assert wide.value > 100 > wide.usual


def test_bigeminy_and_trigeminy_are_patterns() -> None:
    assert codes(play("V.V.V")[0])["bigeminy"] == 3
    assert codes(play("V..V..V")[0])["trigeminy"] == 3
    assert not {"bigeminy", "trigeminy", "run"} & set(codes(play("V.V..V")[0]))
    assert "bigeminy" in evidence(play("V.V.V")[0]).summary


@pytest.mark.parametrize(
    ("marks", "code", "says"),
    [
        ("x.x.x", "every-second-beat", "every second beat odd"),
        ("x..x..x", "every-third-beat", "every third beat odd"),
        ("x.x.V.V", "every-second-beat", "every second beat odd"),
    ],
)
def test_odd_beats_that_are_neither_early_nor_wide_are_no_bigeminy(marks: str, code: str, says: str) -> None:
    raised = play(marks)[0]
    assert code in codes(raised)
    assert not {"bigeminy", "trigeminy"} & set(codes(raised))
    assert says in evidence(raised).summary
    text = next(f.text for f in evidence(raised).findings if f.code == code)
    assert text == f"{says}, 3 times"


def test_bigeminy_is_named_when_most_of_its_beats_are_early_or_wide() -> None:
    assert "bigeminy" in codes(play("x.V.V")[0])


def test_a_beat_that_was_not_scored_breaks_a_run_and_a_pattern() -> None:
    assert not {"bigeminy", "run"} & set(codes(play("VV?V")[0]))
    assert "bigeminy" not in codes(play("V.V?V")[0])


def test_the_cleared_alert_tells_what_came_after_raising() -> None:
    raised, cleared = play("V.V.V.V.VVVVV........")
    assert codes(raised)["bigeminy"] == 3
    assert codes(cleared)["bigeminy"] == 5
    assert codes(cleared)["run"] == 5
    assert codes(cleared)["wide-qrs"] == cleared.beats == 9
    assert evidence(cleared).summary.startswith(
        "9 of 13 beats, 5 of them in a row at 120/min, bigeminy, wide QRS"
    )


def test_a_pattern_of_few_of_many_odd_beats_is_found_and_not_in_the_summary() -> None:
    *_, cleared = play("V.V.V" + "VV" * 20 + "." * 8)
    assert codes(cleared)["bigeminy"] == 3
    assert "bigeminy" not in evidence(cleared).summary


def test_a_compensatory_pause_is_told_when_it_is_known() -> None:
    raised, cleared = play("V.V.V........")
    assert codes(raised)["compensatory-pause"] == 2  # the third has only begun
    assert codes(cleared)["compensatory-pause"] == 3


def test_what_few_beats_show_is_found_and_not_in_the_summary() -> None:
    raised = play("xxV")[0]
    assert codes(raised)["wide-qrs"] == 1
    assert "wide QRS in 1" in evidence(raised).summary  # nothing is more common
    raised = play("xVV")[0]
    assert "wide QRS in 2 (" in evidence(raised).summary


def test_an_alert_without_findings_says_how_many_beats_and_the_console_which_part() -> None:
    (raised,) = play("x.xx")
    assert evidence(raised).findings == []
    assert evidence(raised).summary == "3 of 4 beats"
    assert "3 of 4 beats, p=0.0001, 75/min, mostly QRS" in format_alert(raised)


@pytest.mark.parametrize(("marks", "said"), [("xxx", True), ("xxV", True), ("xVV", False), ("VVV", False)])
def test_the_console_says_which_part_where_no_finding_covers_half(marks: str, said: bool) -> None:
    (raised,) = play(marks)
    assert ("mostly QRS" in format_alert(raised)) == said


@pytest.mark.parametrize(
    ("part", "said"), [("pre_qrs", "P wave"), ("qrs", "QRS"), ("st_t", "ST-T"), ("rhythm", "rhythm")]
)
def test_parts_have_a_clinicians_words(part: str, said: str) -> None:
    (raised,) = play("x.xx")
    parts = dict.fromkeys(PARTS, 1.0) | {part: 2.0}
    told = msgspec.structs.replace(evidence(raised), parts=parts)
    assert format_alert(msgspec.structs.replace(raised, evidence=told)).endswith(f", mostly {said}")


def test_an_episode_does_not_inherit_findings_of_the_one_before() -> None:
    first, _, second = play("VVV" + "." * 25 + "x.x.x")
    assert "wide-qrs" in codes(first)
    assert "wide-qrs" not in codes(second)


def test_the_console_prints_the_summary() -> None:
    (raised,) = play("VVV")
    assert f": {evidence(raised).summary}, p=0.0001" in format_alert(raised)
    assert "mostly" not in format_alert(raised)


def test_an_alert_stays_small_however_long_it_lasts() -> None:
    raised, cleared = play("V.VVx" * 2000 + "." * 8)
    assert cleared.beats == 8000
    assert len(encode_alert(cleared)) < 8192
    assert len(encode_alert(raised)) < 8192
    assert len(evidence(cleared).summary) < 300
    assert decode_alert(encode_alert(cleared)) == cleared


def test_alerts_of_before_there_were_findings_can_still_be_read(alert_json: bytes) -> None:
    assert evidence(decode_alert(alert_json)).findings == []


@pytest.fixture
def alert_json() -> bytes:
    text = encode_alert(play("VVV")[0]).decode()
    start, end = text.index(',"findings"'), text.index("}", text.index('"summary"'))
    return (text[:start] + text[end:]).encode()


def test_an_alert_over_many_beats_is_told_from_its_first() -> None:
    wide = AlertSettings(anomalous_beats=EpisodeSettings(raise_beats=8, of_beats=64))
    (raised,) = play("V......?" * 7 + "V", wide)
    assert codes(raised)["wide-qrs"] == raised.beats == 8


def test_every_code_that_a_beat_may_show_has_words() -> None:
    """:data:`Code` types what findings.py may emit; the documentation names the same."""
    told = findings.__doc__ or ""
    assert re.findall(r"^``([a-z-]+)``", told, re.MULTILINE) == list(get_args(Code))
    assert set(get_args(Code)) == set(WORDS) == set(ORDER)
    for code in get_args(Code):
        finding = worded(code, 2, 0.5, 0.8)
        assert finding.text.startswith(("very " + WORDS[code].name, WORDS[code].name))
        assert summary(2, 2, [finding]).startswith(f"2 beats, {finding.text.partition(':')[0].split(',')[0]}")


@settings(deadline=None, max_examples=80)
@given(marks=st.text("..VVx?", max_size=80))
def test_counts_agree_with_the_alert_whatever_comes(marks: str) -> None:
    for rule, calm in ((None, 20), (AlertSettings(), 40)):
        alerts = play(marks + "." * calm, rule)
        for alert in alerts:
            told = evidence(alert)
            assert told.summary.startswith(f"{alert.beats} ")
            assert all(1 <= finding.beats <= alert.beats for finding in told.findings)
            assert len({finding.code for finding in told.findings}) == len(told.findings)
        for raised, cleared in pairwise(alerts):
            if raised.id == cleared.id:
                assert all(codes(cleared)[code] >= n for code, n in codes(raised).items())


def test_what_is_remembered_does_not_grow() -> None:
    findings = EpisodeFindings(8)
    sizes: Sequence[int] = []
    for n, (beat, score) in enumerate(rhythm("V.VVx" * 400)):
        findings.beat(beat, score)
        if n == 10:
            findings.raised(0.0)
        if n in {1000, 2000}:
            tally = findings._tally
            assert tally is not None
            sizes = [*sizes, len(findings._recent) + sum(f.nbytes for f in tally.figures.values())]
    assert sizes[0] == sizes[1]
