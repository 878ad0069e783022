"""Mutated messages of all payload kinds beside good streams: nothing breaks, everything is counted.

    python -m tests.integration.fuzz --messages 200000             straight into the source's handler
    python -m tests.integration.fuzz --messages 200000 --broker    through a real Mosquitto

Prints a table and exits with 1 when something does not hold: a crash, a message that is neither used nor
counted by a reason, one that is not acknowledged exactly once, an internal error, 10 MB more memory, or other
alerts of the good streams than without the bad ones.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from ecgmon.bench.broker import mosquitto
from ecgmon.config import convert
from ecgmon.ecg.types import Chunk
from ecgmon.model import bundle
from ecgmon.model.scoring import Scorer
from ecgmon.monitor.metrics import Metrics
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings
from ecgmon.sinks.memory import MemorySink
from ecgmon.sources.base import chunks
from ecgmon.sources.mqtt import MqttSettings, MqttSource
from ecgmon.sources.simulator import SimulatorSettings, SimulatorSource
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.messages import Incoming, Message
from ecgmon.transport.payloads import Form, encode
from ecgmon.transport.sender import Sender
from tests.integration.mutations import NAMES, mutated

MAX_GROWTH: Final = 10.0
"""MB."""

REHEARSAL: Final = 20_000
"""Bad messages that go the same way before: nets, tables and the allocator are warm then."""

WARM: Final = 0.1
"""Share of the messages after which memory is measured first: all streams have appeared."""

FORMS: Final[tuple[Form, ...]] = ("json", "msgpack", "binary")
EVIL_STREAMS: Final = 6
BURST: Final = 200
RATES: Final = {"pvc": 900, "run": 240, "lead-off": 0, "noise": 0, "motion": 0, "pause": 0}


def ward(streams: int, seconds: float, seed: int) -> list[Chunk]:
    tree = {"streams": streams, "seconds": seconds, "speed": 0, "seed": seed, "start_time": 1.7e9,
            "chunk_seconds": 0.5, "rates": RATES}  # fmt: skip
    return list(chunks(SimulatorSource(convert(tree, SimulatorSettings, where="fuzz"))))


def good_messages(streams: int, seconds: float) -> list[Message]:
    """Patients whose alerts must not change; each speaks another of the three forms."""
    made = []
    for chunk in ward(streams, seconds, seed=7):
        form = FORMS[int(chunk.stream[-3:]) % len(FORMS)]
        made.append(Message(f"ecg/{chunk.stream}/samples", encode(chunk, form), qos=1))
    return made


def bad_messages(count: int, seed: int, *, any_topic: bool) -> Iterator[Message]:
    """Mutated ones, from few devices; with ``any_topic`` also from names that no broker would pass on."""
    chance = random.Random(seed)
    seeds = [encode(chunk, form) for chunk in ward(2, 8.0, seed=8) for form in FORMS]
    names = [name for name in NAMES if any_topic or name.isprintable()]  # Mosquitto hangs up on the rest
    names += ["a/b", "a+b", "#"] if any_topic else []
    for _ in range(count):
        name = f"evil-{chance.randrange(EVIL_STREAMS)}"
        if chance.random() < 0.05:
            name = chance.choice(names)
        yield Message(f"ecg/{name}/samples", mutated(chance, seeds), qos=1, retain=False)


def resident() -> float:
    """This process's memory, MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@dataclass
class Monitor:
    """Source and pipeline as ``serve`` joins them."""

    broker: BrokerSettings
    scorer: Scorer
    sink: MemorySink = field(default_factory=MemorySink)
    metrics: Metrics = field(default_factory=Metrics)
    expected: int = 0
    fed: int = 0

    def __post_init__(self) -> None:
        self.source = MqttSource(MqttSettings(broker=self.broker))
        self.acks = bytearray(self.expected)  # how often each message was acknowledged, in memory that stays
        self.pipeline = Pipeline(self.scorer, PipelineSettings(), [self.sink], [self.metrics])

    def take(self, number: int, message: Message) -> None:
        """Hand one message to the source, as the connection does."""
        acknowledge = partial(self._acknowledged, number)
        self.source._on_messages([Incoming(message.topic, message.payload, acknowledge)])
        self.work()

    def work(self) -> None:
        """Everything that waits."""
        while (chunk := self.source.get(0.0)) is not None:
            self.fed += 1
            self.pipeline.feed(chunk)
        self.pipeline.tick()

    def _acknowledged(self, number: int) -> None:
        self.acks[number] = min(255, self.acks[number] + 1)

    @property
    def rejected(self) -> dict[str, int]:
        return {reason: n for reason, n in self.source.stats()["rejected"].items() if n}

    @property
    def dropped(self) -> dict[str, int]:
        return {reason: n for reason, n in self.metrics.drops.items() if n}

    def alerts(self) -> list[tuple[str, str, str]]:
        """Of the good streams."""
        found = [(a.stream, a.id, a.state) for a in self.sink.alerts if a.stream.startswith("sim-")]
        return sorted(found)


@dataclass
class Outcome:
    """What a run showed."""

    sent: int
    good: int
    seconds: float
    growth: float
    monitor: Monitor
    expected: list[tuple[str, str, str]]
    acknowledged: bool

    def problems(self, max_growth: float = MAX_GROWTH) -> list[str]:
        stats = self.monitor.source.stats()
        counted = sum(self.monitor.rejected.values()) + sum(stats["dropped"].values()) + self.monitor.fed
        found = []
        if not stats["received"]["messages"] == counted == self.sent:
            found.append(f"{self.sent} sent, {stats['received']['messages']} received, {counted} counted")
        if stats["dropped"]["queue-full"]:
            found.append("the queue overflowed: this says nothing about the good streams")
        failures = ("internal-error", "scoring-failed", "delivery-failed")
        dropped = self.monitor.dropped
        found += [f"{dropped[reason]} times {reason}" for reason in failures if reason in dropped]
        if self.monitor.pipeline.observer_failures:
            found.append(f"{self.monitor.pipeline.observer_failures} failures of observers")
        if not self.acknowledged:
            found.append("not every message was acknowledged exactly once")
        if self.growth >= max_growth:
            found.append(f"memory grew by {self.growth:.1f} MB")
        if not self.expected or self.monitor.alerts() != self.expected:
            found.append(
                f"alerts of the good streams: {len(self.monitor.alerts())}, not {len(self.expected)}"
            )
        return found

    def table(self) -> str:
        same = self.monitor.alerts() == self.expected
        rows = [
            ("messages", f"{self.sent}, {self.good} of them of good streams"),
            ("rate", f"{self.sent / self.seconds:.0f}/s"),
            ("used", f"{self.monitor.fed} chunks"),
            *((f"rejected: {reason}", str(n)) for reason, n in sorted(self.monitor.rejected.items())),
            *((f"dropped: {reason}", str(n)) for reason, n in sorted(self.monitor.dropped.items())),
            ("memory", f"{self.growth:+.1f} MB"),
            ("alerts", f"{len(self.monitor.alerts())} of good streams, as without bad messages: {same}"),
        ]  # fmt: skip
        return "\n".join(f"{name:<26}{value}" for name, value in rows)


def mixed(good: list[Message], bad: Iterator[Message], count: int) -> Iterator[Message]:
    """The good ones evenly among the bad."""
    every = max(1, count // len(good))
    waiting = iter(good)
    for number, message in enumerate(bad):
        if number % every == 0:
            yield from itertools.islice(waiting, 1)
        yield message
    yield from waiting


def expected_alerts(good: list[Message], scorer: Scorer) -> list[tuple[str, str, str]]:
    """Of the good streams alone."""
    monitor = Monitor(BrokerSettings(), scorer, expected=len(good))
    for number, message in enumerate(good):
        monitor.take(number, message)
    monitor.pipeline.flush()
    return monitor.alerts()


def rehearse(good: list[Message], count: int, scorer: Scorer) -> None:
    """Much of it once, and thrown away."""
    monitor = Monitor(BrokerSettings(), scorer, expected=count + len(good))
    bad = bad_messages(count, -1, any_topic=True)
    for number, message in enumerate(mixed(good, bad, count)):
        monitor.take(number, message)
    monitor.pipeline.flush()


def run(count: int, seed: int = 0, url: str | None = None) -> Outcome:
    """``count`` bad messages beside four good streams; with ``url`` through the broker there."""
    scorer = Scorer(bundle.load("default"), "cpu")
    scorer.warm_up(PipelineSettings().batch.size)  # as serve does
    good = good_messages(4, 60.0)
    expected = expected_alerts(good, scorer)
    messages = mixed(good, bad_messages(count, seed, any_topic=url is None), count)
    total = count + len(good)
    broker = BrokerSettings(url=url or BrokerSettings().url, fail_at_start=True)
    monitor = Monitor(broker, scorer, expected=total)
    rehearse(good, min(count, REHEARSAL), scorer)
    began, base = time.monotonic(), 0.0
    with _sending(monitor, url) as send:
        for number, message in enumerate(messages):
            if number == int(WARM * total):
                base = resident()
            send(number, message)
    growth = resident() - base
    monitor.pipeline.flush()
    acknowledged = url is not None or set(monitor.acks) == {1}
    return Outcome(total, len(good), time.monotonic() - began, growth, monitor, expected, acknowledged)


@contextmanager
def _sending(monitor: Monitor, url: str | None) -> Iterator[Callable[[int, Message], None]]:
    """Straight into the source, or through the broker in bursts that its queue holds."""
    if url is None:
        yield monitor.take
        return
    sender = Sender(BrokerSettings(url=url), qos=1)
    monitor.source.open()
    sender.open()

    def arrived(count: int) -> None:
        deadline = time.monotonic() + 30
        while monitor.source.stats()["received"]["messages"] < count and time.monotonic() < deadline:
            monitor.work()
            time.sleep(0.001)
        monitor.work()

    sent = 0

    def send(number: int, message: Message) -> None:
        nonlocal sent
        sender.send(message, 0)
        sent += 1
        if number % BURST == 0:
            arrived(sent)

    try:
        yield send
        sender.drain(30.0)
        arrived(sent)
    finally:
        sender.close()
        monitor.source.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--broker", action="store_true", help="through a real Mosquitto")
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    if args.broker:
        with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
            outcome = run(args.messages, args.seed, broker.url)
    else:
        outcome = run(args.messages, args.seed)
    print(outcome.table())
    for problem in outcome.problems():
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if outcome.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
