"""What holds for every sink, and what each writes."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from ecgmon.ecg.types import Alert
from ecgmon.errors import DataError, EcgmonError
from ecgmon.sinks.base import Sink
from ecgmon.sinks.console import ConsoleSettings, ConsoleSink, format_alert
from ecgmon.sinks.jsonl import JsonlSettings, JsonlSink
from ecgmon.sinks.memory import MemorySink
from ecgmon.sinks.mqtt import MqttSink, MqttSinkSettings
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.payloads import decode_alert, encode_alert

NOBODY = BrokerSettings(url="mqtt://127.0.0.1:1")

MAKERS: dict[str, Callable[[Path], Sink]] = {
    "memory": lambda _: MemorySink(),
    "jsonl": lambda folder: JsonlSink(JsonlSettings(path=str(folder / "alerts.jsonl"))),
    "console": lambda _: ConsoleSink(out=io.StringIO()),
    "mqtt": lambda folder: MqttSink(MqttSinkSettings(broker=NOBODY, state_directory=str(folder))),
}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@pytest.fixture(params=MAKERS)
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Sink:
    return MAKERS[request.param](tmp_path)


def test_every_sink_takes_alerts_and_states_and_accounts_for_each_alert(sink: Sink, alert: Alert) -> None:
    sink.open()
    sink.alert(alert)
    sink.alert(replace(alert, state="cleared"))
    sink.state("bed", {"heart_rate": 60.0})
    sink.state("bed", {})
    stats = sink.stats()
    undelivered = sink.close(0.0)
    assert stats["delivered"] + undelivered == 2
    assert stats["failed"] == 0


def test_every_sink_may_be_closed_twice_and_opened_never(sink: Sink) -> None:
    assert sink.close(0.0) == 0
    sink.open()
    assert sink.close(0.0) == 0
    assert sink.close(0.0) == 0


def test_memory_keeps_alerts_in_order_and_the_newest_state(alert: Alert) -> None:
    sink = MemorySink()
    sink.alert(alert)
    for state in ({"x": 1}, {"x": 2}):
        sink.state("bed", state)
    assert (sink.alerts, sink.states) == ([alert], {"bed": {"x": 2}})
    sink.state("bed", {})
    assert sink.states == {}


def test_json_lines_are_appended_and_read_back_equal(tmp_path: Path, alert: Alert) -> None:
    for state in ("raised", "cleared"):
        sink = JsonlSink(JsonlSettings(path=str(tmp_path / "alerts.jsonl")))
        sink.open()
        sink.alert(replace(alert, state=state))
        sink.close(0.0)
    lines = (tmp_path / "alerts.jsonl").read_bytes().splitlines()
    assert [decode_alert(line) for line in lines] == [alert, replace(alert, state="cleared")]


def test_json_lines_go_to_standard_output(capfdbinary: pytest.CaptureFixture[bytes], alert: Alert) -> None:
    sink = JsonlSink(JsonlSettings())
    sink.open()
    sink.alert(alert)
    sink.close(0.0)
    assert decode_alert(capfdbinary.readouterr().out) == alert
    assert not sys.stdout.closed


def test_a_file_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        JsonlSink(JsonlSettings(path=str(tmp_path))).open()


def test_a_file_of_json_lines_is_private(tmp_path: Path) -> None:
    sink = JsonlSink(JsonlSettings(path=str(tmp_path / "alerts.jsonl")))
    sink.open()
    sink.close(0.0)
    assert stat.S_IMODE((tmp_path / "alerts.jsonl").stat().st_mode) == 0o600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_counted_and_said_once(alert: Alert, caplog: pytest.LogCaptureFixture) -> None:
    sink = JsonlSink(JsonlSettings(path="/dev/full"))
    sink.open()
    for _ in range(3):
        sink.alert(alert)
    assert sink.stats() == {"delivered": 0, "failed": 3}
    assert len(caplog.records) == 1
    assert sink.trouble == "alerts cannot be written to /dev/full: [Errno 28] No space left on device"
    assert sink.close(0.0) == 3


def test_after_a_line_cut_short_the_next_begins_anew(tmp_path: Path, alert: Alert) -> None:
    code = (
        "import resource, signal, sys, msgspec\n"
        "from ecgmon.sinks.jsonl import JsonlSettings, JsonlSink\n"
        "from ecgmon.transport.payloads import decode_alert\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "alert = decode_alert(sys.argv[2].encode())\n"
        "sink = JsonlSink(JsonlSettings(path=sys.argv[1])); sink.open(); sink.alert(alert)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (len(sys.argv[2]) + 50, resource.RLIM_INFINITY))\n"
        "sink.alert(alert)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "sink.alert(alert); assert sink.stats() == {'delivered': 2, 'failed': 1}; sink.close(0.0)"
    )
    path = tmp_path / "alerts.jsonl"
    subprocess.run([sys.executable, "-c", code, str(path), encode_alert(alert).decode()], check=True)
    first, torn, last = path.read_bytes().splitlines()
    assert decode_alert(first) == decode_alert(last) == alert
    assert len(torn) == 49


def test_a_console_line_says_who_what_and_why(alert: Alert) -> None:
    assert format_alert(alert) == "12:03:04 bed RAISED anomalous-beats: 3 beats, p=0.0004, 96/min, mostly QRS"


def test_a_cleared_line_says_how_long_it_lasted(alert: Alert) -> None:
    bare = replace(
        alert, state="cleared", p_value=None, heart_rate=None, evidence=None, kind="asystole", beats=0
    )
    assert format_alert(bare) == "12:03:04 bed CLEARED asystole: lasted 3 s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("colour", "no_colour", "out", "coloured"),
    [
        (None, False, Terminal, True),
        (None, True, Terminal, False),
        (None, False, io.StringIO, False),
        (True, True, io.StringIO, True),
        (False, False, Terminal, False),
    ],
)
def test_colour_is_for_terminals_unless_told_otherwise(
    alert: Alert,
    monkeypatch: pytest.MonkeyPatch,
    colour: bool | None,
    no_colour: bool,
    out: type[io.StringIO],
    coloured: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    stream = out()
    sink = ConsoleSink(ConsoleSettings(colour=colour), stream)
    sink.open()
    sink.alert(alert)
    assert ("\x1b[" in stream.getvalue()) is coloured


def test_a_closed_console_is_counted(alert: Alert) -> None:
    stream = io.StringIO()
    sink = ConsoleSink(out=stream)
    sink.open()
    stream.close()
    assert sink.trouble is None
    sink.alert(alert)
    assert sink.stats() == {"delivered": 0, "failed": 1}
    assert "cannot be written" in str(sink.trouble)


def test_an_unreachable_broker_neither_blocks_nor_raises_and_alerts_survive_a_restart(
    tmp_path: Path, alert: Alert
) -> None:
    for expected in (100, 200):
        sink = MqttSink(MqttSinkSettings(broker=NOBODY, state_directory=str(tmp_path)))
        sink.open()
        for number in range(100):
            sink.alert(replace(alert, id=f"{expected}-{number}"))
        assert sink.stats()["waiting"] == expected
        assert sink.stats()["connected"] == 0
        assert sink.close(0.0) == expected


def test_a_stream_that_fits_no_topic_is_counted_and_not_raised(tmp_path: Path, alert: Alert) -> None:
    sink = MAKERS["mqtt"](tmp_path)
    sink.open()
    sink.alert(replace(alert, stream="a/#"))
    sink.state("a/#", {"x": 1})
    assert sink.stats()["failed"] == 1
    assert sink.close(0.0) == 1


def test_the_publisher_survives_a_failure_inside_and_says_so_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ecgmon.sinks.mqtt.RETRY_SECONDS", 0.01)
    sink = MqttSink(MqttSinkSettings(broker=NOBODY, state_directory=str(tmp_path)))
    sink.open()
    assert sink.trouble is None
    monkeypatch.setattr(sink, "_settle", lambda: 1 / 0)
    sink.state("bed", {"x": 1})
    wait_for(lambda: sink.trouble is not None)
    assert "ZeroDivisionError" in str(sink.trouble)
    time.sleep(0.05)
    monkeypatch.undo()
    wait_for(lambda: sink.trouble is None)
    assert sum("cannot be published" in record.getMessage() for record in caplog.records) == 1
    sink.close(0.0)
    assert sink.trouble is None


def test_alerts_given_up_count_as_undelivered_and_a_second_close_says_the_same(alert: Alert) -> None:
    sink = MqttSink(MqttSinkSettings(broker=NOBODY, outbox_alerts=2))
    sink.open()
    for number in range(5):
        sink.alert(replace(alert, id=str(number)))
    assert [sink.close(0.0), sink.close(5.0)] == [5, 5]
    assert (sink.stats()["shed"], sink.stats()["waiting"]) == (3, 2)


def test_close_does_not_wait_for_states_without_a_connection() -> None:
    sink = MqttSink(MqttSinkSettings(broker=NOBODY))
    sink.open()
    sink.state("bed", {"x": 1})
    began = time.monotonic()
    assert sink.close(10.0) == 0
    assert time.monotonic() - began < 5


def test_nothing_is_remembered_of_streams_that_ended() -> None:
    sink = MqttSink(MqttSinkSettings(broker=NOBODY))
    for state in ("live", "ended"):
        sink.state("bed", {"state": state})
        sink.state(f"bed-{state}", {"state": state})
    assert sink._states.current == 1


def test_durable_is_told_where_a_place_on_disk_was_asked_for(tmp_path: Path, alert: Alert) -> None:
    sink = MqttSink(MqttSinkSettings(broker=NOBODY, state_directory=str(tmp_path)))
    sink.open()
    assert sink.stats()["durable"] == 1
    sink._box._database.execute("PRAGMA query_only = ON")  # every write fails as on a disk turned read-only
    sink.alert(alert)
    assert (sink.stats()["durable"], sink.durable) == (0, False)
    sink.close(0.0)
    assert "durable" not in MqttSink(MqttSinkSettings(broker=NOBODY)).stats()


def test_a_state_directory_that_cannot_be_used_or_is_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EcgmonError, match="alerts cannot be kept there"):
        MqttSink(MqttSinkSettings(broker=NOBODY, state_directory=str(tmp_path / "file"))).open()
    first, second = (
        MqttSink(MqttSinkSettings(broker=NOBODY, state_directory=str(tmp_path))) for _ in range(2)
    )
    first.open()
    with pytest.raises(EcgmonError, match="in use by another program"):
        second.open()
    assert second.close(0.0) == 0
    first.close(0.0)
