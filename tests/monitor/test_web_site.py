"""The page's API over HTTP: answers, their description, events, and what is refused."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from ecgmon.ecg.types import Alert, Chunk, Evidence, ModelRef
from ecgmon.monitor.http import CONNECTIONS, HttpServer, HttpSettings, _Server
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings, Scorer
from ecgmon.monitor.web.asked import MOST_SEEN
from ecgmon.monitor.web.files import files
from ecgmon.monitor.web.looking import Looking
from ecgmon.monitor.web.settings import PageSettings
from tests.monitor.conftest import EnergyScorer

TOKEN = "0123456789abcdef-s3cret"  # noqa: S105 - of this test alone
MODEL = SimpleNamespace(model_ref=ModelRef(name="m", hash="h"), threshold=0.009, beat_threshold=0.01)
DEFAULT = PageSettings()


class Site:
    """A server with a pipeline that has watched two patients for a minute."""

    def __init__(
        self, pieces: list[Chunk], scorer: Scorer, http_: HttpSettings, page: PageSettings = DEFAULT
    ) -> None:
        self.looking = Looking(
            SimpleNamespace(http=http_, page=page), MODEL, lambda: self.pipeline.live, list, time.monotonic
        )
        store, sink = self.looking.store, self.looking.sink
        self.pipeline = Pipeline(scorer, PipelineSettings(lead="II"), [sink], [store], time.monotonic)
        self.pieces = iter(pieces)
        for _ in range(90):
            self.pipeline.feed(next(self.pieces))
        time.sleep(0.15)  # what waits to be scored waits no longer
        self.pipeline.tick()
        self.server = HttpServer(http_, {}, self.looking.site)
        self.server.start()

    def stop(self) -> None:
        self.looking.close()
        self.server.stop()

    def ask(self, path: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
        connection = http.client.HTTPConnection(*self.server.address, timeout=5)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body, kept = answer.read(), dict(answer.getheaders())
        connection.close()
        return answer.status, json.loads(body) if "json" in kept["Content-Type"] else body, kept


@pytest.fixture
def new_site(pieces: list[Chunk], new_scorer: Callable[[], Scorer]) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(page: PageSettings = DEFAULT, **keys: Any) -> Site:
        made.append(Site(pieces, new_scorer(), HttpSettings(port=0, **keys), page))
        return made[-1]

    yield make
    for site in made:
        site.stop()


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site()


@pytest.fixture(scope="module")
def standing(ward: Callable[..., list[Chunk]]) -> Iterator[Site]:
    """One that is only asked."""
    site = Site(ward(streams=2), EnergyScorer(), HttpSettings(port=0))
    yield site
    site.stop()


def events(site: Site, query: str, until: str, timeout: float = 10.0) -> list[tuple[str, Any]]:
    """What the live feed says, up to the first event of the name ``until``."""
    with socket.create_connection(site.server.address, timeout=timeout) as client:
        client.sendall(f"GET /api/v1/live?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        file = client.makefile("rb")
        while file.readline().strip():
            pass
        found: list[tuple[str, Any]] = []
        name = ""
        deadline = time.monotonic() + timeout
        for line in file:
            if time.monotonic() > deadline:
                break
            key, _, value = line.decode().rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                found.append((name, json.loads(value)))
                if name == until:
                    return found
    pytest.fail(f"the feed ended before {until}: {found}")


def test_the_description_is_valid_openapi_and_every_answer_is_as_it_says(site: Site) -> None:
    status, document, _ = site.ask("/api/openapi.json")
    assert status == 200
    OpenAPIV31SpecValidator(document).validate()
    alerts = site.ask("/api/v1/alerts")[1]["alerts"]
    for path, item in document["paths"].items():
        if path == "/api/v1/live":
            continue
        schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        status, answer, headers = site.ask(path.format(name="sim-001", id=alerts[0]["id"]))
        assert status == 200, path
        assert headers["Content-Type"] == "application/json"
        Draft202012Validator(whole).validate(answer)
        status, problem, headers = site.ask(f"{path.format(name='sim-001', id='x')}?strange=1")
        assert (status, headers["Content-Type"]) == (400, "application/problem+json")
        assert "strange" in problem["detail"]


def test_streams_samples_and_beats_are_those_of_the_pipeline(site: Site) -> None:
    streams = site.ask("/api/v1/streams")[1]["streams"]
    assert [one["stream"]["name"] for one in streams] == ["sim-001", "sim-002"]
    one = site.ask("/api/v1/streams/sim-001")[1]["stream"]
    assert (one["lead"], one["fs"], one["rate"]) == ("II", 250.0, 125.0)
    samples = site.ask("/api/v1/streams/sim-001/samples?seconds=2")[1]
    assert len(samples["mv"]) == 250
    assert np.ptp(site.ask("/api/v1/streams/sim-002/samples")[1]["mv"]) > 0.3
    beats = site.ask("/api/v1/streams/sim-002/beats?limit=5")[1]["beats"]
    assert len(beats) == 5
    assert len(beats[-1]["window"]) == len(beats[-1]["reconstruction"]) == 187
    assert "window" not in beats[0]
    assert [b["number"] for b in beats] == sorted(b["number"] for b in beats)
    gaps = np.diff([b["t"] for b in beats])
    np.testing.assert_allclose(gaps, [b["rr"] for b in beats[1:]], atol=0.02)


def test_alerts_come_in_pages_and_by_stream_kind_and_state(site: Site) -> None:
    (standing,) = site.looking.store.alerts.newest()
    first = msgspec.json.decode(standing.json, type=Alert)
    evidence = Evidence(window=[1.0] * 187, reconstruction=[0.0] * 187, error=1.0, r_peaks=[1.7e9], parts={})
    for n in range(4):
        changed: dict[str, Any] = {"id": f"x{n}", "kind": "anomalous-beats", "evidence": evidence}
        site.looking.sink.alert(msgspec.structs.replace(first, **changed))
    every = site.ask("/api/v1/alerts")[1]["alerts"]
    assert [a["id"] for a in every] == ["x3", "x2", "x1", "x0", first.id]
    paged, before = [], ""
    for _ in range(len(every)):
        page = site.ask(f"/api/v1/alerts?limit=1{before}")[1]
        paged += page["alerts"]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert [a["id"] for a in paged] == [a["id"] for a in every]
    off = site.ask("/api/v1/alerts?kind=lead-off")[1]["alerts"]
    assert [a["id"] for a in off] == [first.id]
    assert site.ask("/api/v1/alerts?state=cleared")[1]["alerts"] == []
    assert site.ask("/api/v1/alerts?stream=nobody")[1] == {"alerts": [], "next": None}
    assert every[0]["evidence"]["window"] == [], "pages are small"
    assert len(site.ask("/api/v1/alerts/x3")[1]["evidence"]["window"]) == 187


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/", 404),
        ("/api/v1", 404),
        ("/api/v1/streams/", 404),
        ("/api/v1/streams/nobody", 404),
        ("/api/v1/streams/nobody/beats", 404),
        ("/api/v1/streams/sim-001/", 404),
        ("/api/v1/streams/sim-001/secrets", 404),
        ("/api/v1/alerts/unknown", 404),
        ("/api/v1/alerts?limit=0", 400),
        ("/api/v1/alerts?limit=1&limit=2", 400),
        ("/api/v1/alerts?kind=strange", 400),
        ("/api/v1/streams/sim-001/samples?seconds=-1", 400),
        ("/api/v1/streams/sim-001/samples?seconds=9999999999999999999", 400),
        ("/api/v1/live?see=1@x", 400),
        ("/api/v1/live?see=" + ",".join(map(str, range(MOST_SEEN + 1))), 400),
        ("/api/v1/live?" + "&".join(f"a{n}=1" for n in range(40)), 400),
        ("/page/..%2f..%2fapi.py", 404),
        ("/page/../api.py", 404),
        ("/page/", 404),
    ],
)
def test_what_is_wrong_is_said_in_one_form(standing: Site, path: str, status: int) -> None:
    got, problem, headers = standing.ask(path)
    assert got == status
    if path.startswith("/api/"):
        assert headers["Content-Type"] == "application/problem+json"
        assert problem["status"] == status
        assert problem["detail"]


def test_the_feed_tells_everything_once_and_goes_on_where_a_viewer_was(site: Site) -> None:
    first = events(site, f"see=2&run={site.looking.store.run}", "alerts")
    assert [name for name, _ in first] == ["hello", "status", "data", "alerts"]
    told = dict(first)
    (number, at, text), *_ = told["data"]["samples"]
    steps = np.frombuffer(base64.b64decode(text), "<i2")
    mv = site.ask("/api/v1/streams/sim-002/samples?seconds=7")[1]["mv"]
    np.testing.assert_allclose(steps[-875:] * told["hello"]["step_mv"], mv, atol=1e-6)
    assert {beat[0] for beat in told["data"]["beats"]} == {2} == {number}
    assert told["alerts"]["past"]
    end, last, run = at + len(steps), told["alerts"]["last"], told["hello"]["run"]
    for _ in range(4):
        site.pipeline.feed(next(site.pieces))
    again = dict(events(site, f"run={run}&see=2@{end}&alerts={last}", "data"))
    assert again["data"]["samples"][0][1] == end, "no sample twice, none left out"
    assert "alerts" not in again
    other = dict(events(site, f"run=another&see=2@{end}&alerts={last}", "alerts"))
    assert other["alerts"]["past"]
    assert "data" not in other, "numbers of another run mean nothing"


def test_in_focus_beats_are_whole_and_only_while_somebody_looks(site: Site) -> None:
    strip = site.looking.store.named("sim-002")
    assert strip is not None
    found = events(site, "see=2&focus=2&run=" + site.looking.store.run, "beat")
    beat = found[-1][1]["beat"]
    assert len(beat["window"]) == 187
    deadline = time.monotonic() + 5
    while strip.watched is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert strip.watched is None


def test_viewers_are_counted_limited_and_take_no_place_of_those_who_ask(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgmon.monitor.http.TIMEOUT", 0.5)
    site = new_site(PageSettings(viewers=CONNECTIONS + 8))
    clients = []
    for _ in range(CONNECTIONS + 8):
        client = socket.create_connection(site.server.address, timeout=5)
        client.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.0 200"
        clients.append(client)
    assert site.ask("/api/v1/streams")[0] == 200, "there is room for others"
    status, problem, _ = site.ask("/api/v1/live")
    assert status == 503
    assert "page.viewers" in problem["detail"]
    time.sleep(1.2)
    clients[0].settimeout(5)
    while b"event: status" not in clients[0].recv(65536):
        pass  # it goes on, long behind what a request may take
    feed = site.looking.site._api._feed
    assert feed.viewers == CONNECTIONS + 8
    for client in clients:
        client.close()
    deadline = time.monotonic() + 10
    while feed.viewers and time.monotonic() < deadline:
        time.sleep(0.1)
    assert feed.viewers == 0
    assert site.server._server is not None
    assert site.server._server._free._value == CONNECTIONS


def test_a_viewer_that_does_not_read_holds_nobody_up_and_is_cut_off(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgmon.monitor.http._Handler.timeout", 0.5)
    monkeypatch.setattr("ecgmon.monitor.web.feed.TICK", 0.001)
    site = new_site()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(site.server.address)
    client.sendall(b"GET /api/v1/live?see=1,2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    feed = site.looking.site._api._feed
    deadline = time.monotonic() + 30
    while not feed.viewers and time.monotonic() < deadline:
        time.sleep(0.01)
    monkeypatch.setattr("ecgmon.monitor.web.feed.STATUS", 1)
    while feed.viewers and time.monotonic() < deadline:
        time.sleep(0.05)
    assert feed.viewers == 0
    client.close()


def left(site: Site, seconds: float) -> bool:
    """Whether nobody looks any more within so long."""
    feed = site.looking.site._api._feed
    deadline = time.monotonic() + seconds
    while feed.viewers and time.monotonic() < deadline:
        time.sleep(0.02)
    return not feed.viewers


def viewer(site: Site, buffer: int = 65_536) -> socket.socket:
    """A client that has got the first of the feed."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(5)
    client.connect(site.server.address)
    client.sendall(b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert client.recv(12) == b"HTTP/1.0 200"
    return client


def test_the_place_of_a_viewer_who_left_is_free_at_once_though_nothing_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgmon.monitor.web.feed.STATUS", 10**9)
    client = viewer(site)
    time.sleep(0.5)
    assert b"event: status" in client.recv(1 << 20), "politely, having read all"
    client.close()
    assert left(site, 1.0)


def test_a_viewer_who_vanished_is_gone_long_before_what_is_told_fills_the_buffers(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgmon.monitor.sockets.UNHEARD", 500)
    monkeypatch.setattr("ecgmon.monitor.http._Handler.timeout", 60.0)
    monkeypatch.setattr("ecgmon.monitor.web.feed.TICK", 0.02)
    monkeypatch.setattr("ecgmon.monitor.web.feed.STATUS", 1)
    site = new_site()
    client = viewer(site, 2048)  # takes no more than that, as one whose machine is off
    assert left(site, 10.0)
    client.close()


def test_how_the_streams_are_is_worked_out_once_for_all_viewers(site: Site) -> None:
    clients = [viewer(site) for _ in range(8)]
    statuses = site.looking.site._api._feed.statuses
    before = statuses.rounds
    time.sleep(2.0)
    assert 1 <= statuses.rounds - before <= 2.0 / 0.5 + 1, "not once a second for each of them"
    for client in clients:
        client.close()


def test_head_of_the_feed_leaves_no_viewer_behind(standing: Site) -> None:
    connection = http.client.HTTPConnection(*standing.server.address, timeout=5)
    connection.request("HEAD", "/api/v1/live")
    assert connection.getresponse().status == 200
    connection.close()
    deadline = time.monotonic() + 5
    while standing.looking.site._api._feed.viewers and time.monotonic() < deadline:
        time.sleep(0.02)
    assert standing.looking.site._api._feed.viewers == 0


def test_files_are_open_and_the_api_wants_the_token(new_site: Callable[..., Site], tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    site = new_site(token_file=str(file))
    for path in files():
        assert site.ask(path)[0] == 200
    for path in ("/api/v1/streams", "/api/openapi.json", "/api/v1/live"):
        status, problem, headers = site.ask(path)
        assert (status, headers["Content-Type"]) == (401, "application/problem+json")
        assert problem["title"] == "Unauthorized"
        assert headers["WWW-Authenticate"].startswith("Bearer")
    assert site.ask("/api/v1/streams", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_name_that_was_made_to_lead_here_is_refused(new_site: Callable[..., Site]) -> None:
    site = new_site(PageSettings(hosts=("monitor.example",)))
    for host, status in (
        ("localhost:9464", 200), ("127.0.0.1", 200), ("[::1]:9464", 200), ("Monitor.example", 200),
        ("evil.example:9464", 421), ("127.0.0.1.evil.example", 421), ("", 421),
    ):  # fmt: skip
        assert site.ask("/api/v1/streams", Host=host)[0] == status, host
        assert site.ask("/", Host=host)[0] == status, host


@pytest.mark.parametrize(("by", "status"), [("same-origin", 200), ("none", 200), ("cross-site", 403)])
def test_pages_of_other_sites_get_nothing_of_the_api(standing: Site, by: str, status: int) -> None:
    assert standing.ask("/api/v1/streams", **{"Sec-Fetch-Site": by})[0] == status


def test_every_answer_says_what_a_browser_may_do_with_it(standing: Site) -> None:
    for path in ("/", "/page/main.js", "/api/v1/streams", "/api/nowhere"):
        headers = standing.ask(path)[2]
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "Access-Control-Allow-Origin" not in headers
    tag = standing.ask("/page/main.js")[2]["ETag"]
    connection = http.client.HTTPConnection(*standing.server.address, timeout=5)
    connection.request("GET", "/page/main.js", headers={"If-None-Match": tag})
    assert connection.getresponse().status == 304
    connection.close()


def test_the_files_ask_for_nothing_from_elsewhere_and_none_is_missing() -> None:
    known = files()
    for path, (_, content, _) in known.items():
        text = content.decode()
        assert "https://" not in text, path
        assert "innerHTML" not in text, path
        for line in text.splitlines():
            if line.startswith("import "):
                name = line.partition(' from "./')[2].rstrip('";')
                assert f"/page/{name}" in known, f"{path}: {line}"


def test_a_feed_that_fails_is_said_in_the_log_and_leaves_no_viewer(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = new_site()

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(site.looking.store, "strips", broken)
    status, body, _ = site.ask("/api/v1/live")
    assert (status, body.count(b"event:")) == (200, 1)
    assert "/api/v1/live broke off" in caplog.text
    assert site.looking.site._api._feed.viewers == 0


def test_a_server_without_a_site_is_as_it_was() -> None:
    server = HttpServer(HttpSettings(port=0), {})
    server.start()
    assert isinstance(server._server, _Server)
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    connection.request("GET", "/")
    assert connection.getresponse().status == 404
    connection.close()
    server.stop()
