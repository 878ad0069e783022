"""What devices send, and when: seconds that follow each other, spread over the second."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from ecgmon.bench.generator import APART, Devices, Load, name_of, stream_of
from ecgmon.bench.listener import Listener
from ecgmon.bench.material import first_lead
from ecgmon.ecg.types import Chunk
from ecgmon.transport.payloads import decode
from ecgmon.transport.topics import SampleTopics


def sent(devices: Devices, seconds: float) -> list[tuple[float, Chunk]]:
    """All that is due within ``seconds`` s from now, with the time at which it is."""
    found = []
    until = time.monotonic() + seconds
    while (item := devices.next(until)) is not None:
        due, message = item
        found.append((due, decode(message.payload, stream=SampleTopics().stream(message.topic))))
    return found


def test_each_stream_sends_a_recording_second_by_second(patients: list[Path]) -> None:
    devices = Devices(Load(url="", records=[str(p) for p in patients], streams=4, ramp=0.0, qos=0))
    chunks = [chunk for _, chunk in sent(devices, 5.5) if chunk.stream == name_of(3)]
    x, fs = first_lead(patients[0])  # the fourth stream plays the first recording again, further on
    at = APART * round(fs)
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert len(chunks) >= 4
    assert np.diff([chunk.t for chunk in chunks]) == pytest.approx(1.0)
    assert np.array_equal(np.concatenate([chunk.samples[0] for chunk in chunks]), x[at:][: len(chunks) * 360])


def test_messages_are_spread_over_the_second_and_due_when_their_last_sample_is(patients: list[Path]) -> None:
    devices = Devices(Load(url="", records=[str(patients[0])], streams=10, ramp=0.0, qos=0))
    found = sent(devices, 3.05)
    dues = np.array([due for due, _ in found])
    assert np.diff(dues) == pytest.approx(0.1)
    first = np.array([chunk.t for _, chunk in found])
    offset = time.time() - time.monotonic()
    assert first + 1.0 == pytest.approx(dues + offset, abs=0.05)


def test_streams_come_one_after_the_other(patients: list[Path]) -> None:
    devices = Devices(Load(url="", records=[str(patients[0])], streams=4, ramp=4.0, qos=0))
    first: dict[str, tuple[float, int | None]] = {}
    for due, chunk in sent(devices, 6.0):
        first.setdefault(chunk.stream, (due, chunk.seq))
    dues = [first[name_of(i)][0] for i in range(4)]
    assert [seq for _, seq in first.values()] == [0, 0, 0, 0]
    assert np.diff(dues) == pytest.approx(1.25)


def test_an_alert_is_as_late_as_it_came_after_the_deciding_message_was_due() -> None:
    listener = Listener()
    start, stream, streams = 1000.0, 5, 10  # that stream's messages are due at 1001.5, 1002.5, ...
    listener.heard = [(1003.6, stream, 1002.2), (1002.0, stream, 999.0)]
    assert listener.delays(start, streams, after=1001.0) == pytest.approx([1.1])
    assert stream_of(name_of(stream)) == stream
