"""Log lines: text or JSON, one line each, not many of a kind, and nothing that moves a terminal."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from ecgmon.monitor.logs import (
    BURST,
    MAX_KINDS,
    PERIOD,
    CalmHandler,
    JsonFormatter,
    LoggingSettings,
    TextFormatter,
    configure,
    printable,
)

EVIL = "bed\n2026-01-01 ERROR forged\x1b[2J\u202e\x85\u2028"


class Logged:
    """A logger of its own, what it wrote, and its clock."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        self.now = 1000.0
        handler = CalmHandler(self.stream, lambda: self.now)
        handler.setFormatter(formatter)
        self.log = logging.Logger("ecgmon.test", logging.DEBUG)  # noqa: LOG001 - of this test alone
        self.log.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def text() -> Logged:
    return Logged(TextFormatter())


@pytest.fixture
def as_json() -> Logged:
    return Logged(JsonFormatter())


def test_json_is_one_object_a_line_with_utc(as_json: Logged) -> None:
    as_json.log.warning("stream %s is lost", "bed")
    as_json.log.info("plain")
    first, second = map(json.loads, as_json.lines)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {"level": "warning", "logger": "ecgmon.test", "message": "stream bed is lost"}
    assert second["message"] == "plain"


def test_a_traceback_is_part_of_its_json_object_and_indented_in_text(text: Logged, as_json: Logged) -> None:
    for logged in (text, as_json):
        try:
            raise ValueError(EVIL)  # noqa: TRY301 - to be logged
        except ValueError:
            logged.log.exception("failed")
    (line,) = as_json.lines
    assert "ValueError" in json.loads(line)["traceback"]
    first, *rest = text.lines
    assert first.endswith("ERROR   ecgmon.test: failed")
    assert len(rest) >= 4
    assert all(each.startswith("    ") and each.isprintable() for each in rest)


def test_no_control_character_reaches_a_line(text: Logged, as_json: Logged) -> None:
    for logged in (text, as_json):
        logged.log.warning("stream %s", EVIL)
        (line,) = logged.lines
        assert line.isprintable()
    assert "forged\\x1b[2J\\u202e\\x85\\u2028" in text.lines[0]
    assert "bed\\n2026" in json.loads(as_json.lines[0])["message"]
    assert printable("plain, äöü µV") == "plain, äöü µV"


def test_a_flood_of_one_kind_is_cut_and_the_rest_counted(text: Logged) -> None:
    for number in range(1000):
        text.log.warning("chunk %d not used", number)
    text.log.warning("something else")
    assert len(text.lines) == BURST + 1
    text.now += PERIOD + 1
    text.log.info("later")
    assert f"{1000 - BURST} lines were left out that begin like this: chunk %d not used" in text.lines[-2]
    assert text.lines[-1].endswith("later")
    text.log.warning("chunk %d not used", 1001)
    assert "chunk 1001" in text.lines[-1]
    assert len(text.lines) == BURST + 4


def test_debug_lines_are_not_cut(text: Logged) -> None:
    for number in range(100):
        text.log.debug("detail %d", number)
    assert len(text.lines) == 100


def test_kinds_without_end_take_no_memory_without_end(text: Logged) -> None:
    for number in range(3 * MAX_KINDS):
        text.log.warning(f"kind {number}")  # noqa: G004 - as a careless library would
    assert len(text.log.handlers[0]._kinds) <= MAX_KINDS  # type: ignore[attr-defined]


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield root
    root.setLevel(level)
    root.handlers = handlers


def test_logging_is_set_once_and_changed_while_running(root: logging.Logger) -> None:
    first = logging.StreamHandler()
    root.addHandler(first)
    configure(LoggingSettings(level="warning"))
    ours = [each for each in root.handlers if isinstance(each, CalmHandler)]
    assert len(ours) == 1
    assert first not in root.handlers
    assert root.level == logging.WARNING
    assert isinstance(ours[0].formatter, TextFormatter)
    configure(LoggingSettings(level="error", format="json"), debug=True)
    assert [each for each in root.handlers if isinstance(each, CalmHandler)] == ours
    assert root.level == logging.DEBUG
    assert isinstance(ours[0].formatter, JsonFormatter)
