"""Three payloads: there and back to the bit; anything else is a counted refusal."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ecgmon.ecg.types import Alert, Chunk, Evidence, ModelRef
from ecgmon.errors import PayloadError
from ecgmon.transport.limits import REASONS, Limits
from ecgmon.transport.payloads import (
    Form,
    decode,
    decode_alert,
    encode,
    encode_alert,
    encode_binary,
)
from ecgmon.transport.samples import MISSING, ready

ready()  # compiling is no part of a test's time

FORMS = get_args(Form)
T = 1763767000.25


def chunk_of(samples: Any, leads: tuple[str, ...] | None = None, seq: int | None = 17) -> Chunk:
    array = np.atleast_2d(np.asarray(samples, np.float32))
    return Chunk("bed", 360.0, leads or tuple(f"L{i}" for i in range(len(array))), array, T, seq)


def body(**changes: Any) -> dict[str, Any]:
    return {"fs": 360, "seq": 17, "t": T, "unit": "mV", "leads": {"MLII": [0.0, 0.1, None]}} | changes


def reason_of(payload: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(PayloadError) as caught:
        decode(payload, stream="bed", limits=limits or Limits())
    assert caught.value.reason in REASONS
    assert str(caught.value).isprintable()
    return caught.value.reason


def outcome(payload: bytes) -> Chunk | PayloadError:
    try:
        return decode(payload, stream="bed")
    except PayloadError as error:
        return error


float32_samples = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 40)),
    elements=st.one_of(st.floats(-4000, 4000, width=32), st.just(float("nan"))),
)
converter_samples = hnp.arrays(
    np.int16, st.tuples(st.integers(1, 4), st.integers(1, 40)), elements=st.integers(-32767, 32767)
)


@pytest.mark.parametrize("form", ["json", "msgpack"])
@given(samples=float32_samples, seq=st.one_of(st.none(), st.integers(0, 2**53)))
def test_any_float32_comes_back_to_the_bit_in_text_and_messagepack(
    form: Form, samples: Any, seq: int | None
) -> None:
    sent = chunk_of(samples, seq=seq)
    got = decode(encode(sent, form), stream="bed")
    np.testing.assert_array_equal(got.samples, sent.samples)
    assert (got.fs, got.leads, got.t, got.seq, got.stream, got.ack) == (
        360.0,
        sent.leads,
        T,
        seq,
        "bed",
        None,
    )


@given(steps=converter_samples, gain=st.sampled_from([200, 1000, 100, 400, 500, 2000]))
def test_what_a_converter_made_comes_back_to_the_bit_in_binary(steps: Any, gain: int) -> None:
    sent = chunk_of((steps / gain).astype(np.float32))
    np.testing.assert_array_equal(decode(encode_binary(sent), stream="bed").samples, sent.samples)


@given(samples=float32_samples)
def test_binary_rounds_other_samples_by_half_a_step_at_most(samples: Any) -> None:
    got = decode(encode_binary(chunk_of(samples)), stream="bed").samples
    largest = np.nanmax(np.abs(samples), initial=0.0)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(samples))
    error = np.nanmax(np.abs(got.astype(np.float64) - samples), initial=0.0)
    assert error <= max(largest / 65_000, 1e-9)  # no step is finer than a picovolt


def test_the_binary_layout_is_the_documented_one() -> None:
    payload = struct.pack(
        "<4sBBHIffd8s8s3h3h", b"ECG1", 0, 2, 3, 9, 250.0, 5.0, T, b"MLII", b"V1", 1, -2, 3, 4, MISSING, 6
    )
    got = decode(payload, stream="bed")
    assert (got.fs, got.leads, got.t, got.seq) == (250.0, ("MLII", "V1"), T, 9)
    np.testing.assert_array_equal(
        got.samples, np.array([[0.005, -0.01, 0.015], [0.02, np.nan, 0.03]], np.float32)
    )


@pytest.mark.parametrize(("unit", "expected"), [("mV", 2.0), ("uV", 0.002), ("µV", 0.002), ("V", 2000.0)])
def test_units_become_millivolt(unit: str, expected: float) -> None:
    got = decode(msgspec.json.encode(body(unit=unit, leads={"I": [2]})), stream="bed")
    assert got.samples[0, 0] == np.float32(expected)


def test_null_and_nan_are_missing_samples() -> None:
    in_json = decode(b' {"fs":250,"t":1,"leads":{"I":[1,null]}}', stream="bed")
    in_msgpack = decode(msgspec.msgpack.encode(body(leads={"I": [1.0, float("nan"), None]})), stream="bed")
    np.testing.assert_array_equal(in_json.samples, np.array([[1, np.nan]], np.float32))
    np.testing.assert_array_equal(in_msgpack.samples, np.array([[1, np.nan, np.nan]], np.float32))


def test_unknown_keys_are_passed_over() -> None:
    assert decode(msgspec.json.encode(body(battery=0.4)), stream="bed").seq == 17


@pytest.mark.parametrize("encode_map", [msgspec.json.encode, msgspec.msgpack.encode], ids=["json", "msgpack"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fs": 99.9}, "fs"),
        ({"fs": 1000.1}, "fs"),
        ({"fs": "360"}, "fs"),
        ({"fs": True}, "fs"),
        ({"t": -1.0}, "time"),
        ({"t": T * 1000}, "time"),
        ({"t": None}, "time"),
        ({"seq": -1}, "field"),
        ({"seq": 1.5}, "field"),
        ({"seq": True}, "field"),
        ({"unit": "kV"}, "unit"),
        ({"unit": "\n" * 100}, "unit"),
        ({"unit": 1}, "unit"),
        ({"leads": {}}, "leads"),
        ({"leads": {"": [1]}}, "leads"),
        ({"leads": {"a\nb": [1]}}, "leads"),
        ({"leads": {"x" * 33: [1]}}, "leads"),
        ({"leads": [[1]]}, "leads"),
        ({"leads": {"I": [1, 2], "II": [1]}}, "samples"),
        ({"leads": {"I": []}}, "samples"),
        ({"leads": {"I": ["1"]}}, "samples"),
        ({"leads": {"I": [True]}}, "samples"),
        ({"leads": {"I": [[1]]}}, "samples"),
        ({"leads": {"I": 1}}, "samples"),
        ({"leads": {"I": None}}, "samples"),
        ({"leads": {"I": [5001.0]}}, "samples"),
        ({"leads": {"I": [1e308]}, "unit": "V"}, "samples"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(
    encode_map: Any, changes: dict[str, Any], reason: str
) -> None:
    assert reason_of(encode_map(body(**changes))) == reason


@pytest.mark.parametrize("missing", ["fs", "t", "leads"])
def test_a_missing_key_is_refused(missing: str) -> None:
    content = body()
    del content[missing]
    assert reason_of(msgspec.json.encode(content)) == "field"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "format"),
        (b"ECG1", "format"),
        (b"\x00", "format"),
        (b"[1]", "format"),
        (b"{", "format"),
        (b'{"fs":360,"t":1,"leads":{"I":[NaN]}}', "format"),
        (b'{"fs":360,"t":1,"leads":{"I":[1e999]}}', "samples"),
        (b'{"fs":360,"t":1,"leads":{"I":' + b"[" * 100_000, "format"),
        (b'{"fs":360,"t":1,"leads":{"\xff":[1]}}', "format"),
        (b"\x81\xa5leads" + b"\x91" * 100_000, "leads"),
        (b"\x80", "field"),
        (msgspec.msgpack.encode(body()) + b"x", "format"),
        (msgspec.msgpack.encode(body(fs=float("nan"))), "fs"),
        (msgspec.msgpack.encode(body(t=float("inf"))), "time"),
        (msgspec.msgpack.encode(body(leads={"I": [float("-inf")]})), "samples"),
    ],
)
def test_a_malformed_message_is_refused(payload: bytes, reason: str) -> None:
    assert reason_of(payload) == reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((1, 1, 1, 0, 360.0, 5.0, T), "format"),  # a flag that nobody knows
        ((0, 0, 1, 0, 360.0, 5.0, T), "leads"),
        ((0, 1, 0, 0, 360.0, 5.0, T), "samples"),
        ((0, 1, 2, 0, 360.0, 5.0, T), "format"),  # more samples announced than there are
        ((0, 1, 1, 0, float("nan"), 5.0, T), "fs"),
        ((0, 1, 1, 0, 360.0, 0.0, T), "field"),
        ((0, 1, 1, 0, 360.0, float("inf"), T), "field"),
        ((0, 1, 1, 0, 360.0, float("nan"), T), "field"),
        ((0, 1, 1, 0, 360.0, 3e38, T), "samples"),
        ((0, 1, 1, 0, 360.0, 5.0, float("nan")), "time"),
    ],
)
def test_a_wrong_binary_message_is_refused(values: tuple[Any, ...], reason: str) -> None:
    assert reason_of(struct.pack("<4sBBHIffd8sh", b"ECG1", *values, b"I", 1)) == reason


def test_binary_names_must_be_text_and_differ() -> None:
    head = struct.pack("<4sBBHIffd", b"ECG1", 0, 2, 1, 0, 360.0, 5.0, T)
    assert reason_of(head + b"I".ljust(8, b"\0") * 2 + b"\0" * 4) == "leads"
    assert reason_of(head + b"\xff".ljust(8, b"\0") * 2 + b"\0" * 4) == "leads"


@pytest.mark.parametrize("form", FORMS)
def test_each_limit_holds_in_each_form(form: Form) -> None:
    payload = encode(chunk_of(np.zeros((3, 50))), form)
    assert reason_of(payload, Limits(max_bytes=len(payload) - 1)) == "size"
    assert reason_of(payload, Limits(max_leads=2)) == "size"
    assert reason_of(payload, Limits(max_samples=49)) == "size"
    assert reason_of(payload, Limits(min_fs=400)) == "fs"
    assert (
        decode(payload, stream="bed", limits=Limits(max_bytes=len(payload), max_leads=3, max_samples=50)).seq
        == 17
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"\x83\xa2fs\xcb@v\x80\0\0\0\0\0\xa1t\x01\xa5leads\x81\xa1I\xdd\xff\xff\xff\xff\x01",
        b"\x83\xa2fs\xcb@v\x80\0\0\0\0\0\xa1t\x01\xa5leads\xdf\xff\xff\xff\xff\xa1I\x91\x01",
        struct.pack("<4sBBHIffd", b"ECG1", 0, 255, 65_535, 0, 360.0, 5.0, T),
    ],
    ids=["list", "map", "binary"],
)
def test_an_announced_size_takes_no_memory(payload: bytes) -> None:
    tracemalloc.start()
    try:
        reason_of(payload)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=300)
@given(data=st.data())
def test_any_mutation_is_refused_with_a_known_reason_or_is_a_valid_chunk(
    form: Form, data: st.DataObject
) -> None:
    payload = bytearray(encode(chunk_of([[0.005, -1.0, np.nan], [0.1, 0.2, 0.3]]), form))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload)))
        cut = data.draw(st.integers(0, 6))
        payload[at : at + cut] = data.draw(st.binary(max_size=6))
    got = outcome(bytes(payload))
    if isinstance(got, PayloadError):
        assert got.reason in REASONS
        assert str(got).isprintable()
    else:
        assert got.samples.dtype == np.float32
        assert got.samples.shape[0] == len(got.leads) > 0
        assert not np.isinf(got.samples).any()
        assert 100 <= got.fs <= 1000
        assert got.t >= 0


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_a_chunk(payload: bytes) -> None:
    got = outcome(payload)
    assert isinstance(got, Chunk) or got.reason in REASONS


@pytest.mark.parametrize(
    "chunk",
    [chunk_of([[1.0]], leads=("a long name",)), chunk_of([[1.0]], seq=None), chunk_of(np.zeros((1, 65_536)))],
    ids=["name", "seq", "length"],
)
def test_what_the_binary_form_cannot_carry_is_said(chunk: Chunk) -> None:
    with pytest.raises(PayloadError, match="binary form"):
        encode_binary(chunk)


ALERT = Alert(
    id="a1",
    stream="bed",
    kind="anomalous-beats",
    state="raised",
    severity="warning",
    onset=1.0,
    end=2.0,
    time=2.5,
    beats=3,
    score=4.0,
    p_value=0.001,
    threshold=0.01,
    heart_rate=None,
    evidence=Evidence(window=[0.1], reconstruction=[0.2], error=0.1, r_peaks=[1.0], parts={"qrs": 2.0}),
    model=ModelRef(name="m", hash="h"),
)


def test_an_alert_comes_back_equal_and_bears_its_schema() -> None:
    payload = encode_alert(ALERT)
    assert decode_alert(payload) == ALERT
    assert msgspec.json.decode(payload)["schema"] == "ecgmon.alert/1"


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b'{"id":1}', encode_alert(ALERT).replace(b"raised", b"risen")]
)
def test_what_is_no_alert_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        decode_alert(payload)
