"""One small port: the pages, and what it refuses."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecgmon.config import convert
from ecgmon.ecg.types import ModelRef
from ecgmon.errors import ConfigError, EcgmonError
from ecgmon.monitor import http as pages
from ecgmon.monitor.answers import Page, json_page
from ecgmon.monitor.health import Health
from ecgmon.monitor.http import HttpServer, HttpSettings
from ecgmon.sinks.memory import MemorySink
from ecgmon.sources.memory import MemorySource


def broken() -> Page:
    raise ZeroDivisionError


@pytest.fixture
def server() -> Iterator[HttpServer]:
    server = HttpServer(HttpSettings(port=0), {"/good": lambda: json_page({"a": 1}), "/broken": broken})
    server.start()
    yield server
    server.stop()


def ask(server: HttpServer, method: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_a_page_is_served_with_and_without_a_query(server: HttpServer) -> None:
    assert ask(server, "GET", "/good") == (200, b'{"a":1}\n')
    assert ask(server, "GET", "/good?x=1") == (200, b'{"a":1}\n')


def test_head_gives_no_body(server: HttpServer) -> None:
    assert ask(server, "HEAD", "/good") == (200, b"")


def test_an_unknown_page_names_the_known_ones(server: HttpServer) -> None:
    assert ask(server, "GET", "/") == (404, b"there are: /broken, /good\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_written(server: HttpServer, method: str) -> None:
    assert ask(server, method, "/good")[0] == 501


def test_a_page_that_fails_is_an_error_and_the_next_is_served(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(server, "GET", "/broken")[0] == 500
    assert "/broken could not be made" in caplog.text
    assert ask(server, "GET", "/good")[0] == 200


def test_clients_that_say_nothing_do_not_keep_others_out_for_ever(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages._Handler, "timeout", 0.3)
    silent = [socket.create_connection(server.address) for _ in range(pages.CONNECTIONS)]
    try:
        began, answer = time.monotonic(), None
        while answer is None and time.monotonic() - began < 10:
            with contextlib.suppress(http.client.HTTPException, ConnectionError):
                answer = ask(server, "GET", "/good")
        assert answer == (200, b'{"a":1}\n')
    finally:
        for connection in silent:
            connection.close()


def test_a_probe_gets_the_place_of_a_client_that_says_nothing(server: HttpServer) -> None:
    silent = [socket.create_connection(server.address) for _ in range(3 * pages.CONNECTIONS)]
    try:
        began = time.monotonic()
        for _ in range(5):
            assert ask(server, "GET", "/good") == (200, b'{"a":1}\n')
        assert time.monotonic() - began < pages.TIMEOUT / 2, "long before the silent ones are cut off"
    finally:
        for connection in silent:
            connection.close()


def test_clients_that_trickle_do_not_keep_others_out_for_ever(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "TIMEOUT", 0.5)
    slow = [socket.create_connection(server.address) for _ in range(pages.CONNECTIONS)]
    began, answer = time.monotonic(), None
    try:
        while answer is None and time.monotonic() - began < 4:
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.send(b"G")
            time.sleep(0.1)
            with contextlib.suppress(http.client.HTTPException, ConnectionError):
                answer = ask(server, "GET", "/good")
        assert answer == (200, b'{"a":1}\n')
    finally:
        for connection in slow:
            connection.close()


TOKEN = "0123456789abcdef-s3cret"  # noqa: S105 - of this test alone


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[HttpServer]:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    settings = HttpSettings(port=0, token_file=str(file))
    made = {name: lambda: json_page({"a": 1}) for name in ("/good", "/healthz", "/readyz")}
    server = HttpServer(settings, made)
    server.start()
    yield server
    server.stop()


def ask_with(server: HttpServer, path: str, authorization: str | None) -> int:
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    connection.request("GET", path, headers={} if authorization is None else {"Authorization": authorization})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert b"s3cret" not in body
    return answer.status


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer \xff\xfe", 401),
    ],
)
def test_a_page_wants_the_token(guarded: HttpServer, authorization: str | None, status: int) -> None:
    assert ask_with(guarded, "/good", authorization) == status
    assert ask_with(guarded, "/nowhere", authorization) == (404 if status == 200 else 401)


def test_probes_want_no_token(guarded: HttpServer) -> None:
    assert ask_with(guarded, "/healthz", None) == ask_with(guarded, "/readyz", None) == 200


def test_another_token_holds_from_the_next_request_on(guarded: HttpServer) -> None:
    guarded.use(b"another-token-that-is-long")
    assert ask_with(guarded, "/good", f"Bearer {TOKEN}") == 401
    assert ask_with(guarded, "/good", "Bearer another-token-that-is-long") == 200
    guarded.use(None)
    assert ask_with(guarded, "/good", None) == 200


def test_a_token_comes_from_file_or_environment_and_is_never_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGMON_TEST_TOKEN", TOKEN)
    assert HttpSettings(token_env="ECGMON_TEST_TOKEN").token() == TOKEN.encode()  # noqa: S106 - its name
    assert HttpSettings().token() is None
    file = tmp_path / "token"
    for settings in (HttpSettings(token_file=str(file)), HttpSettings(token_env="ECGMON_UNSET")):  # noqa: S106
        with pytest.raises(
            EcgmonError, match=r"token: the token cannot be read|ECGMON_UNSET: the token must"
        ):
            settings.token()
    file.write_text("s3cret\n")
    with pytest.raises(EcgmonError, match="must have 16 characters") as caught:
        HttpSettings(token_file=str(file)).token()
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ConfigError, match="give one of them"):
        convert({"token_file": "a", "token_env": "b"}, HttpSettings, where="x")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /good HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /good HTTP/1.1\r\n" + b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 900 + b"\r\n",
        b"GET /good HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n",
    ],
)
def test_a_request_that_is_too_large_is_refused(server: HttpServer, request_: bytes) -> None:
    with socket.create_connection(server.address, timeout=5) as client:
        with contextlib.suppress(OSError):  # it may hang up before it heard all
            client.sendall(request_)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(65536):
                answer += part
    assert b"200 OK" not in answer
    assert answer == b"" or any(code in answer for code in (b"400", b"414", b"431"))
    assert ask(server, "GET", "/good") == (200, b'{"a":1}\n')


def test_a_port_that_is_taken_is_one_clear_error(server: HttpServer) -> None:
    with pytest.raises(EcgmonError, match=r"cannot listen on 127\.0\.0\.1:\d+ .*set http\.port"):
        HttpServer(HttpSettings(port=server.address[1]), {}).start()


class Broker(MemorySink):
    """A sink that says whether it is connected."""

    connected = False
    last_error: str | None = "it refused us: not authorized"


@pytest.fixture
def health() -> Health:
    now = [100.0]
    sink = Broker()
    health = Health(ModelRef(name="m", hash="h"), MemorySource([]), {"mqtt": sink}, lambda: now[0], 30.0)
    health.now = now  # type: ignore[attr-defined]
    health.sink = sink  # type: ignore[attr-defined]
    return health


def read(page: Page) -> tuple[int, dict[str, Any]]:
    return page.status, json.loads(page.body)


def test_ready_tells_broker_model_and_pipeline_apart(health: Health) -> None:
    status, parts = read(health.ready())
    assert status == 503
    assert parts["pipeline"] == {"ok": False, "detail": "starting"}
    health.beat()
    status, parts = read(health.ready())
    assert status == 503
    assert parts["pipeline"]["ok"]
    assert parts["model"] == {"ok": True, "name": "m", "hash": "h"}
    assert parts["broker"] == {
        "ok": False, "source": {"ok": True}, "mqtt": {"ok": False, "error": "it refused us: not authorized"},
    }  # fmt: skip
    assert health.amiss() == ["broker"]
    health.sink.connected = True  # type: ignore[attr-defined]
    assert read(health.ready())[0] == 200
    assert health.amiss() == []
    health.draining = True
    assert read(health.ready())[0] == 503
    assert health.amiss() == ["pipeline"]
    assert read(health.alive())[0] == 200


def test_a_sink_in_trouble_is_not_ready_and_an_outbox_off_the_disk_is_shown(health: Health) -> None:
    health.beat()
    sink = health.sink  # type: ignore[attr-defined]
    sink.connected, sink.durable = True, False
    status, parts = read(health.ready())
    assert (status, parts["sinks"]) == (200, {"ok": True, "mqtt": {"ok": True, "durable": False}})
    sink.trouble = "the disk is full"
    status, parts = read(health.ready())
    assert status == 503
    assert parts["sinks"]["mqtt"] == {"ok": False, "error": "the disk is full", "durable": False}
    assert read(health.alive())[0] == 200


def test_a_loop_that_stalls_is_no_longer_alive(health: Health) -> None:
    health.beat()
    health.now[0] += 29.0  # type: ignore[attr-defined]
    assert read(health.alive())[0] == 200
    health.now[0] += 2.0  # type: ignore[attr-defined]
    status, parts = read(health.alive())
    assert status == 503
    assert parts["status"] == "stalled"


class Busy(MemorySource):
    """A source whose queue may overflow."""

    lost = 0

    def stats(self) -> dict[str, dict[str, int]]:
        return {"dropped": {"queue-full": self.lost, "retained": 7}}


def test_shedding_is_shown_while_it_lasts_and_counted_for_good() -> None:
    now = [100.0]
    source = Busy([])
    health = Health(ModelRef(name="m", hash="h"), source, {"memory": MemorySink()}, lambda: now[0], 30.0)
    health.beat()
    status, parts = read(health.ready())
    assert (status, parts["shedding"]) == (200, {"now": False, "chunks": 0, "alerts": 0})
    source.lost = 5
    now[0] += 2.0
    health.beat()
    status, parts = read(health.ready())
    assert (status, parts["shedding"]) == (200, {"now": True, "chunks": 5, "alerts": 0})
    now[0] += 11.0
    assert read(health.ready())[1]["shedding"] == {"now": False, "chunks": 5, "alerts": 0}
