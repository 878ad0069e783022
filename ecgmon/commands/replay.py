"""``ecgmon replay RECORD``: play a recording to a broker as devices would.

One chunk becomes due when its last sample would have been taken. What the broker does not acknowledge (QoS 1)
is sent again after a reconnection. Samples arrive to the bit as the recording holds them, so the alerts are
those of the same recording read as a file with the same start time.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal

import numpy as np
from tqdm import tqdm

from ecgmon.config import convert
from ecgmon.ecg.types import Chunk
from ecgmon.errors import PayloadError, TransportError, UsageError
from ecgmon.sources.base import Source
from ecgmon.sources.csv import CsvSettings, CsvSource
from ecgmon.sources.wfdb import WfdbSettings, WfdbSource
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.messages import Message
from ecgmon.transport.payloads import Form, decode, encode
from ecgmon.transport.sender import PATIENCE, Sender
from ecgmon.transport.topics import SAMPLES_TEMPLATE, SampleTopics

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("record", metavar="RECORD", help="WFDB record without suffix, or a .csv of samples")
    parser.add_argument(
        "--broker",
        required=True,
        metavar="URL",
        help="such as mqtt://127.0.0.1:1883; also mqtts, ws, wss, unix",
    )
    parser.add_argument("--username", help="instead of the URL's")
    parser.add_argument("--password-file", metavar="FILE", help="its first line is the password")
    parser.add_argument("--ca-file", metavar="FILE", help="authorities to trust for mqtts and wss, PEM")
    parser.add_argument("--protocol", choices=["3.1.1", "5"], default="3.1.1", help="version of MQTT")
    parser.add_argument(
        "--streams", type=int, default=1, metavar="N", help="play N times at once (default 1)"
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="X",
        help="times real time; 0: as fast as the broker takes it",
    )
    parser.add_argument("--payload", choices=["json", "msgpack", "binary"], default="json")
    parser.add_argument(
        "--chunk", type=float, default=1.0, metavar="SECONDS", help="of signal in one message"
    )
    parser.add_argument(
        "--start-time",
        metavar="UTC",
        help="ISO 8601 with zone, or seconds since 1970 (default: the recording's, or now)",
    )
    parser.add_argument(
        "--topic", default=SAMPLES_TEMPLATE, metavar="TEMPLATE", help=f"default {SAMPLES_TEMPLATE}"
    )
    parser.add_argument("--qos", type=int, choices=[0, 1], default=1)
    parser.add_argument("--fs", type=float, metavar="HZ", help="rate of a CSV that does not state it")
    parser.add_argument(
        "--unit", metavar="UNIT", help="unit of a CSV that does not state it: V, mV, uV or nV"
    )


def run(args: argparse.Namespace) -> int:
    if not 1 <= args.streams <= 10_000:
        raise UsageError(f"--streams {args.streams}: 1 to 10000")
    topics = SampleTopics(args.topic)
    source = _source(args)
    broker = _broker(args)
    sender = Sender(broker, args.qos)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    try:
        sender.open()
        interrupted = not _play(source, sender, topics, args)
    finally:
        source.close()
        sender.close()
        signal.signal(signal.SIGTERM, before)
    what = "acknowledged by the broker" if args.qos else "sent"
    print(
        f"{args.record}: {sender.messages} messages, {sender.samples} samples a lead; "
        f"{sender.done} messages {what}{'; interrupted' if interrupted else ''}"
    )
    if sender.done < sender.messages and not interrupted:
        raise TransportError(
            f"broker {sender.shown} acknowledged only {sender.done} of {sender.messages} messages"
        )
    return 130 if interrupted else 0


def _play(source: Source, sender: Sender, topics: SampleTopics, args: argparse.Namespace) -> bool:
    """Play to the end; False when interrupted, by Ctrl-C or SIGTERM."""
    form: Form = args.payload
    names: list[str] = []
    try:
        source.open()
        with tqdm(unit="s", desc="replay", disable=None) as progress:
            while not source.exhausted:
                chunk = source.get(1.0)
                if chunk is None or not chunk.samples.shape[1]:
                    continue
                payload = _encode(chunk, form)
                if not names:
                    names = _names(chunk.stream, args.streams)
                    _warn_if_rounded(chunk, payload)
                for name in names:
                    sender.send(Message(topics.topic(name), payload, args.qos), chunk.samples.shape[1])
                progress.update(round(chunk.samples.shape[1] / chunk.fs, 3))
        sender.drain(PATIENCE)
    except KeyboardInterrupt:
        sender.drain(1.0)
        return False
    return True


def _source(args: argparse.Namespace) -> Source:
    start: str | float | None = args.start_time
    with contextlib.suppress(ValueError, TypeError):  # no number: a date, which the settings check
        start = float(args.start_time)
    options = {"speed": args.speed, "chunk_seconds": args.chunk, "start_time": start}
    if args.record.lower().endswith(".csv"):
        tree = {"type": "csv", "files": [args.record], "fs": args.fs, "unit": args.unit, **options}
        return CsvSource(convert(tree, CsvSettings, where="replay"))
    if args.fs is not None or args.unit is not None:
        raise UsageError("--fs and --unit: for CSV files only; a WFDB header states both")
    tree = {"type": "wfdb", "records": [args.record], **options}
    return WfdbSource(convert(tree, WfdbSettings, where="replay"))


def _broker(args: argparse.Namespace) -> BrokerSettings:
    tree = {
        "url": args.broker,
        "username": args.username,
        "password_file": args.password_file,
        "protocol": args.protocol,
    }
    broker = convert(tree, BrokerSettings, where="--broker")
    if args.ca_file is None:
        return broker
    if not broker.address.encrypted:
        raise UsageError(f"--ca-file: {broker.address.shown} is not encrypted; use mqtts:// or wss://")
    return convert({**tree, "tls": {"ca_file": args.ca_file}}, BrokerSettings, where="--broker")


def _names(stream: str, streams: int) -> list[str]:
    names = [stream] if streams == 1 else [f"{stream}-{number:03d}" for number in range(1, streams + 1)]
    try:
        SampleTopics().topic(names[-1])
    except PayloadError as error:
        raise UsageError(f"{error}; rename the recording") from None
    return names


def _encode(chunk: Chunk, form: Form) -> bytes:
    try:
        return encode(chunk, form)
    except PayloadError as error:
        raise UsageError(f"--payload {form}: {error}") from None


def _warn_if_rounded(chunk: Chunk, payload: bytes) -> None:
    try:
        read_back = decode(payload, stream=chunk.stream)
    except PayloadError as error:
        raise UsageError(f"the monitor would refuse these messages ({error.reason}): {error}") from None
    if read_back.fs != chunk.fs or not np.array_equal(read_back.samples, chunk.samples, equal_nan=True):
        log.warning("the binary form rounds these samples; use --payload json to send them to the bit")
