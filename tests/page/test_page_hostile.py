"""What devices may call themselves and their leads: names come from topics, to which anybody may send."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ecgmon.config import convert
from ecgmon.sources.simulator import SimulatorSettings, SimulatorSource
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.messages import Message
from ecgmon.transport.payloads import encode
from ecgmon.transport.sender import Sender
from tests.integration.conftest import mosquitto_or_skip
from tests.page.conftest import Daemon, Looker

Look = Callable[..., Looker]

NAMES = (
    "<img src=x onerror=owned=1>",
    "<script>owned=1<script>",
    "javascript:owned=1",
    "'\"><svg onload=owned=1>",
    "a?b=c&d;e%2e%2e%00",
    "__proto__",
    "constructor",
    "W" * 128,
    "\u05d0\u05d1\u05d2 \u4e2d\u6587 \U0001f493",
    "%E0%A4%A",
)
LEAD = "<b on=1>"


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Patients of these names, at rates from 100 to 1000 Hz, half a minute after they came."""
    folder = tmp_path_factory.mktemp("hostile")
    broker = mosquitto_or_skip(folder)
    broker.start()
    daemon = Daemon(folder / "daemon", source={"type": "mqtt", "broker": {"url": broker.url}})
    try:
        daemon.start()
        send(broker.url)
        yield daemon
    finally:
        daemon.kill()
        broker.stop()


def send(url: str) -> None:
    """Half a minute of each, as fast as it goes; four lose an electrode."""
    sender = Sender(convert({"url": url}, BrokerSettings, where="test"), 1)
    sender.open()
    now = time.time()
    rates = dict.fromkeys(("pvc", "pac", "run", "pause", "noise", "motion", "lead-off"), 0)
    for i, name in enumerate(NAMES):
        script = [{"kind": "lead-off", "at": 12, "seconds": 900, "stream": 1}] if i < 4 else []
        fs = 100.0 if i % 2 else 1000.0
        tree = {"streams": 1, "speed": 0.0, "seconds": 30.0, "chunk_seconds": 1.0, "fs": fs}
        settings = convert({**tree, "rates": rates, "script": script}, SimulatorSettings, where="test")
        source = SimulatorSource(settings)
        source.open()
        for k in range(30):
            chunk = source.get(1.0)
            assert chunk is not None
            chunk = replace(chunk, stream=name, leads=(LEAD, *chunk.leads[1:]), t=now + k)
            sender.send(Message(f"ecg/{name}/samples", encode(chunk, "json"), 1), chunk.samples.shape[1])
        source.close()
    sender.drain(10.0)
    sender.close()


def unharmed(looker: Looker) -> None:
    assert looker.page.evaluate("typeof owned") == "undefined"
    assert looker.page.locator("main img, main script, aside img, aside svg, main b[on]").count() == 0
    for wide in ("document.documentElement", "document.getElementById('view')"):
        assert looker.page.evaluate(f"{wide}.scrollWidth <= {wide}.clientWidth"), "nothing sticks out"
    looker.settled()


@pytest.mark.parametrize(
    "screen", [{}, {"viewport": {"width": 360, "height": 740}, "is_mobile": True}], ids=["desk", "phone"]
)
def test_names_are_text_wherever_they_stand(
    ward: Daemon, look: Look, shots: Path, screen: dict[str, Any]
) -> None:
    looker = look(ward.url, **screen)
    looker.until(f"document.getElementById('counts').textContent.includes('{len(NAMES)} streams')")
    page = looker.page
    page.wait_for_selector("#alerts .alert")
    page.wait_for_timeout(1000)
    shown = page.eval_on_selector_all(".tile .name", "nodes => nodes.map(node => node.textContent)")
    assert set(shown) <= set(NAMES)
    assert LEAD in page.eval_on_selector_all(".tile .lead", "nodes => nodes.map(node => node.textContent)")
    cut = "nodes => nodes.filter(node => !node.hidden && node.scrollWidth > node.clientWidth).length"
    assert page.eval_on_selector_all(".tile .alarm", cut) == 0, "a long name takes no room of an alarm's"
    page.screenshot(path=shots / f"hostile-{'phone' if screen else 'desk'}.png")
    unharmed(looker)
    for name in NAMES:
        page.evaluate("name => { location.hash = `#/stream/${encodeURIComponent(name)}`; }", name)
        looker.until("document.querySelector('h1')?.textContent === " + repr_js(name))
        looker.until("/Hz/.test(document.querySelector('.facts').textContent)")
        looker.until("document.querySelector('.one .history h2').textContent.length > 24")
        unharmed(looker)
    page.evaluate("name => { location.hash = `#/stream/${encodeURIComponent(name)}`; }", NAMES[7])
    page.wait_for_timeout(1000)
    page.screenshot(path=shots / f"hostile-one-{'phone' if screen else 'desk'}.png")
    unharmed(looker)


def repr_js(text: str) -> str:
    """As JavaScript has it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
