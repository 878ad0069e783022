"""Parts of the page in a real Chromium, told what a daemon would tell at moments that are hard to meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.conftest import Daemon, Looker

Look = Callable[..., Looker]

SOURCE = {"type": "simulator", "streams": 2, "speed": 1.0, "chunk_seconds": 0.5}

TELL = """
    const model = new (await import("/page/model.js")).Model();
    const place = document.createElement("div");
    document.body.append(place);
    const hello = run => model.hear("hello", {run, step_mv: 0.005, threshold: 0.01, beat_threshold: 0.01});
    const standing = n => Array.from({length: n}, (_, i) =>
        ({id: `s${i}`, kind: "pause", severity: "warning", onset: i}));
    const status = (names, more = {}) => model.hear("status", {
        now: performance.now() / 1000, gone: [], ages: names.map((_, i) => [i + 1, 0.2]),
        streams: names.map((name, i) => ({
            id: i + 1, name, condition: "live", limit: 4, lead: "II", fs: 250, rate: 125, quality: "good",
            heart_rate: 72, beats: 9, odd_beats: 0, alerts: [], ...more,
        })),
    });
    const alert = (id, state = "raised", stream = "a") => ({
        id, stream, kind: "pause", state, severity: "warning", onset: 1e9, end: 1e9, beats: 0,
        heart_rate: null, evidence: null, p_value: null, threshold: null, model: {name: "m", hash: "h"},
    });
    const tell = (last, ...alerts) => model.hear("alerts", {past: false, last, alerts});
    hello("one");
"""
"""What each of these tests begins with."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), source=SOURCE)
    daemon.start()
    yield daemon
    daemon.kill()


def told(looker: Looker, script: str) -> Any:
    """What ``script`` gives back."""
    return looker.page.evaluate(f"async () => {{ {TELL} {script} }}")


def test_a_new_alert_leaves_the_focus_where_it_is(daemon: Daemon, look: Look) -> None:
    looker = look(daemon.url)
    seen = told(
        looker,
        """
        const {AlertList} = await import("/page/alerts.js");
        new AlertList(place, model);
        tell(2, alert("x"), alert("y"));
        place.querySelector('[data-id="x"]').focus();
        const focused = () => `${document.activeElement.dataset.id} ${document.activeElement.dataset.state}`;
        const seen = [focused()];
        tell(3, alert("z"));
        seen.push(focused());
        tell(4, alert("x", "cleared"));
        seen.push(focused());
        return [seen, [...place.querySelectorAll(".alert")].map(node => node.dataset.id)];
        """,
    )
    assert seen == [["x raised", "x raised", "x cleared"], ["z", "y", "x"]]
    looker.settled()


def test_in_a_streams_history_as_well(daemon: Daemon, look: Look) -> None:
    looker = look(daemon.url)
    seen = told(
        looker,
        """
        const {History} = await import("/page/history.js");
        const history = new History(model, "a");
        place.append(history.node);
        await history.open();
        tell(2, alert("x"), alert("y"));
        place.querySelector('[data-id="x"] summary').focus();
        const focused = () => document.activeElement.closest("details")?.dataset.id;
        const seen = [focused()];
        tell(3, alert("z"));
        seen.push(focused());
        tell(4, alert("x", "cleared"));
        return [...seen, focused()];
        """,
    )
    assert seen == ["x", "x", "x"]
    looker.settled()


def test_alerts_that_stand_are_counted_though_they_were_told_too_long_ago(daemon: Daemon, look: Look) -> None:
    seen = told(
        look(daemon.url),
        """
        const {AlertList} = await import("/page/alerts.js");
        new AlertList(place, model);
        status(["a", "b"], {alerts: standing(3)});
        tell(1, alert("x"));
        return place.querySelector("h2").textContent;
        """,
    )
    assert seen == "Alerts6 standing"


def test_another_run_of_the_daemon_forgets_what_was_of_the_one_before(daemon: Daemon, look: Look) -> None:
    seen = told(
        look(daemon.url),
        """
        const {AlertList} = await import("/page/alerts.js");
        const {OneStream} = await import("/page/one.js");
        const list = new AlertList(place, model);
        list.past = [alert("old")];
        list.next = null;
        const view = document.createElement("div");
        document.body.append(view);
        const one = new OneStream(model, {see() {}}, "a");
        status(["a"], {alerts: standing(1)});
        one.open(view);
        const find = selector => view.querySelector(selector);
        const words = () => [find(".rate").textContent, find(".title .pri").hidden];
        const seen = [words()];
        hello("two");
        one.words(performance.now());
        tell(1, alert("new"));
        const ids = [...place.querySelectorAll(".alert")].map(node => node.dataset.id);
        return [...seen, words(), ids, list.older.hidden];
        """,
    )
    assert seen == [["72 /min", False], ["-- /min", True], ["new"], False]


def test_an_address_that_cannot_be_read_leads_to_all_streams(daemon: Daemon, look: Look) -> None:
    looker = look(f"{daemon.url}#/stream/%E0%A4%A")
    looker.page.wait_for_selector(".tile >> nth=1")
    looker.settled()


def test_on_paper_it_is_light_and_on_the_screen_as_before(daemon: Daemon, look: Look, shots: Path) -> None:
    looker = look(daemon.url, color_scheme="dark")
    page = looker.page
    page.wait_for_selector('.tile[data-condition="live"] >> nth=1')
    page.wait_for_timeout(3000)
    page.evaluate("""addEventListener("beforeprint", () => {
        const {data} = document.querySelector(".tile canvas").getContext("2d").getImageData(5, 5, 1, 1);
        window.printed = [document.documentElement.dataset.theme, data[0] + data[1] + data[2]];
    })""")
    page.pdf(path=shots / "printed.pdf", print_background=True)
    scheme, brightness = page.evaluate("window.printed")
    assert scheme == "light"
    assert brightness > 500
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    looker.settled()
