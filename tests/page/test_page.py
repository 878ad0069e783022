"""The live page in a real Chromium, in front of a real daemon with simulated patients."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.conftest import Daemon, Looker

Look = Callable[..., Looker]

WARD: dict[str, Any] = {
    "source": {
        "type": "simulator", "streams": 8, "seed": 4, "speed": 2.0, "chunk_seconds": 0.5,
        "rates": {"pvc": 300, "pac": 20, "run": 30, "pause": 0, "noise": 4, "motion": 10, "lead-off": 0},
        "script": [
            {"kind": "run", "at": 24, "seconds": 5, "stream": 1},
            {"kind": "lead-off", "at": 30, "seconds": 2000, "stream": 2},
        ],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A ward of eight, some of whom have alerts by the time it is looked at."""
    daemon = Daemon(tmp_path_factory.mktemp("ward"), **WARD)
    daemon.start()
    deadline = time.monotonic() + 60
    while b'"lead-off"' not in daemon.get("api/v1/alerts") and time.monotonic() < deadline:
        time.sleep(0.2)
    yield daemon
    daemon.kill()


def ink(page: Any, selector: str) -> int:
    """Pixels of the trace's colour, or near it, in a canvas."""
    return int(
        page.eval_on_selector(
            selector,
            """canvas => {
                const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                let n = 0;
                for (let i = 0; i < data.length; i += 4)
                    n += data[i + 1] > 140 && data[i + 1] > data[i] + 50 && data[i + 1] > data[i + 2] + 30;
                return n;
            }""",
        )
    )


def test_streams_appear_with_trace_rate_and_state_in_words(ward: Daemon, look: Look, shots: Path) -> None:
    looker = look(ward.url, color_scheme="dark")
    page = looker.page
    page.wait_for_selector(".tile >> nth=7")
    names = page.eval_on_selector_all(".tile .name", "nodes => nodes.map(node => node.textContent)")
    assert names == [f"sim-00{n}" for n in range(1, 9)]
    looker.until("[...document.querySelectorAll('.tile .rate')].every(n => n.textContent !== '')")
    page.wait_for_timeout(6000)
    assert ink(page, '.tile[data-stream="sim-003"] canvas') > 300, "a trace is drawn"
    assert re.fullmatch(r"\d{2,3}", page.inner_text('.tile[data-stream="sim-003"] .rate'))
    off = page.locator('.tile[data-stream="sim-002"]')
    assert "lead off" in off.inner_text()
    assert "!!" in off.inner_text(), "how grave it is does not hang on the colour"
    assert "flat line" in off.inner_text()
    assert "lead off" in off.get_attribute("aria-label")
    page.screenshot(path=shots / "wall-dark.png")
    looker.settled()


def test_the_newest_alert_stands_first_and_leads_to_its_stream(ward: Daemon, look: Look) -> None:
    looker = look(ward.url)
    page = looker.page
    page.wait_for_selector("#alerts .alert")
    times = page.eval_on_selector_all("#alerts time", "nodes => nodes.map(node => node.dateTime)")
    assert len(times) >= 2
    page.click('#alerts .alert:has-text("lead off")')
    page.wait_for_selector("h1:has-text('sim-002')")
    assert page.url.endswith("#/stream/sim-002")
    looker.settled()


def test_one_stream_shows_beats_scores_intervals_and_evidence(ward: Daemon, look: Look, shots: Path) -> None:
    looker = look(
        f"{ward.url}#/stream/sim-001", color_scheme="dark", viewport={"width": 1280, "height": 1000}
    )
    page = looker.page
    page.wait_for_selector("canvas[aria-label^='Beat ']")
    looker.until("/\\d+ of \\d+ beats odd/.test(document.querySelector('.one').textContent)")
    looker.until("/last \\d\\.\\d\\d s/.test(document.querySelector('.one').textContent)")
    page.click(".history summary >> nth=0")
    page.wait_for_selector(".evidence canvas")
    assert "QRS" in page.inner_text(".evidence"), "findings in words"
    assert "Read-only" in page.inner_text(".history")
    page.wait_for_timeout(5000)
    assert ink(page, ".strip canvas") > 500
    page.screenshot(path=shots / "stream-dark.png")
    looker.settled()


def test_keys_go_from_stream_to_stream_in_and_back(ward: Daemon, look: Look) -> None:
    looker = look(ward.url)
    page = looker.page
    page.wait_for_selector(".tile >> nth=7")

    def focused() -> str:
        return str(page.evaluate("document.activeElement.dataset.stream ?? document.activeElement.id"))

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    first = focused()
    assert first.startswith("sim-")
    page.keyboard.press("Home")
    assert focused() == "sim-001"
    page.keyboard.press("End")
    assert focused() == "sim-008"
    page.keyboard.press("ArrowLeft")
    assert focused() == "sim-007"
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('sim-007')")
    page.keyboard.press("Escape")
    page.wait_for_selector(".tile >> nth=7")
    assert focused() == "sim-007", "back where one was"
    page.keyboard.press("/")
    page.keyboard.type("003")
    looker.until("document.querySelectorAll('.tile').length === 1")
    page.keyboard.press("Enter")
    assert focused() == "sim-003"
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")
    page.keyboard.press("a")
    assert page.evaluate("document.activeElement.classList.contains('alert')")
    looker.settled()


def test_everything_that_can_be_reached_by_tab_has_a_name(ward: Daemon, look: Look) -> None:
    page = look(ward.url).page
    page.wait_for_selector(".tile >> nth=7")
    page.wait_for_selector("#alerts .alert")
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        name = page.evaluate(
            """() => {
                const at = document.activeElement;
                const label = at.labels?.[0]?.textContent ?? "";
                const text = at.textContent.trim() || label.trim();
                return [at.tagName, at.getAttribute("aria-label") ?? text];
            }"""
        )
        assert name[1], f"{name[0]} has no name"
        reached.add(name[0])
    assert {"A", "INPUT", "SELECT", "BUTTON"} <= reached


def test_it_fits_a_phone(ward: Daemon, look: Look, shots: Path) -> None:
    looker = look(
        ward.url, viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True,
        has_touch=True, color_scheme="light",
    )  # fmt: skip
    page = looker.page
    page.wait_for_selector(".tile >> nth=2")
    page.wait_for_timeout(5000)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    page.screenshot(path=shots / "phone-light.png")
    page.tap(".tile >> nth=0")
    page.wait_for_selector("h1")
    page.wait_for_timeout(4000)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = page.evaluate(
        """[...document.querySelectorAll('.one *')]
            .filter(node => node.getBoundingClientRect().right > innerWidth + 1).length"""
    )
    assert wide == 0
    page.screenshot(path=shots / "phone-stream.png")
    looker.settled()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_system_says_dark_or_light_and_a_key_overrules_it(ward: Daemon, look: Look, scheme: str) -> None:
    page = look(ward.url, color_scheme=scheme).page
    page.wait_for_selector(".tile")

    def brightness() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert (brightness() > 380) == (scheme == "light")
    page.keyboard.press("t")
    assert brightness() < 380
    page.keyboard.press("t")
    assert brightness() > 380
    page.reload()
    page.wait_for_selector(".tile")
    assert brightness() > 380, "it is remembered"


def test_reduced_motion_stops_what_flashes(ward: Daemon, look: Look) -> None:
    page = look(ward.url, reduced_motion="reduce").page
    page.wait_for_selector(".tile >> nth=7")
    assert page.evaluate("document.getAnimations().length") == 0
    page.wait_for_timeout(3000)
    changes = page.evaluate(
        """() => new Promise(done => {
            const canvas = document.querySelector('.tile[data-stream="sim-003"] canvas');
            const began = performance.now();
            let [last, changes] = [canvas.toDataURL(), 0];
            const look = () => {
                const now = canvas.toDataURL();
                if (now !== last) changes += 1;
                last = now;
                if (performance.now() - began < 4000) setTimeout(look, 50);
                else done(changes);
            };
            look();
        })"""
    )
    assert 2 <= changes <= 5, "the trace goes on, a second at a time"


def test_the_page_is_strict_about_where_things_come_from(ward: Daemon, look: Look) -> None:
    looker = look(ward.url)
    page = looker.page
    page.wait_for_selector(".tile")
    blocked = page.evaluate(
        """async () => {
            const seen = [];
            document.addEventListener("securitypolicyviolation", event => seen.push(event.violatedDirective));
            await fetch("https://example.invalid/").catch(() => {});
            const script = document.createElement("script");
            script.textContent = "window.injected = true";
            document.body.append(script);
            await new Promise(done => setTimeout(done, 100));
            return [seen, window.injected ?? false];
        }"""
    )
    assert "connect-src" in blocked[0]
    assert blocked[1] is False


PAIRS = [
    *((text, ground, 4.5) for text in ("text", "quiet") for ground in ("panel", "ground", "raised")),
    *((f"{grave}-text", grave, 4.5) for grave in ("critical", "warning", "info")),
    ("trace", "panel", 4.5), ("trace", "paper", 4.5), ("odd", "paper", 3.0), ("restored", "panel", 3.0),
    ("focus", "panel", 3.0), ("critical", "panel", 3.0),
]  # fmt: skip
"""Colours that are read or looked at, what they stand on, and the contrast that WCAG 2.2 asks for."""


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits[:6]
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_colours_can_be_told_apart(ward: Daemon, look: Look, scheme: str) -> None:
    page = look(ward.url, color_scheme=scheme).page
    page.wait_for_selector(".tile")

    def value(name: str) -> str:
        got = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}')")
        return str(got).strip()

    for front, back, least in PAIRS:
        bright, dark = sorted((luminance(value(front)), luminance(value(back))), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= least, f"{front} on {back}"
