"""The window of alerts in flight: what was refused comes again, what was delivered does not."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.sinks.window import REFUSED_SECONDS, SIZE, Answer, Window


def test_a_delivered_alert_is_done_with_and_counted() -> None:
    window = Window()
    window.sent(7, 1)
    assert window.answered(7, Answer(), 0.0) == 1
    assert (window.delivered, window.refused, window.unheard) == (1, 0, 0)
    assert window.answered(7, Answer(), 0.0) is None, "a second answer to one message means nothing"
    assert window.delivered == 1


def test_an_answer_to_something_else_is_not_ours() -> None:
    assert Window().answered(3, Answer(), 0.0) is None


def test_a_refused_alert_is_kept_said_and_due_again_after_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    window = Window()
    window.sent(1, 5)
    window.sent(2, 6)
    assert window.answered(1, Answer(refused="not authorized"), 10.0) is None
    assert window.answered(2, Answer(refused="not authorized"), 10.0) is None
    assert window.refusal == "not authorized"
    assert [record.levelno for record in caplog.records] == [logging.ERROR], "said once"
    assert window.wait(10.0) == REFUSED_SECONDS
    window.try_again(10.0 + REFUSED_SECONDS / 2, 5)
    assert window.last == 6, "not yet"
    window.try_again(10.0 + REFUSED_SECONDS, 5)
    assert window.last == 0, "from the oldest again"
    assert window.refusal is not None, "until it is delivered"
    window.sent(3, 5)
    window.sent(4, 6)
    assert window.answered(3, Answer(), 50.0) == 5
    assert window.answered(4, Answer(), 50.0) == 6
    assert window.refusal is None


def test_it_does_not_begin_again_while_alerts_are_on_their_way() -> None:
    window = Window()
    window.sent(1, 1)
    window.sent(2, 2)
    window.answered(1, Answer(refused="quota exceeded"), 0.0)
    window.try_again(REFUSED_SECONDS, 1)
    assert window.last == 2, "the second would be sent twice"


@pytest.mark.parametrize("oldest", [None, 9])
def test_a_refused_alert_that_was_shed_is_no_trouble_any_more(oldest: int | None) -> None:
    window = Window()
    window.sent(1, 1)
    window.answered(1, Answer(refused="quota exceeded"), 0.0)
    window.try_again(REFUSED_SECONDS, oldest)
    assert window.refusal is None


def test_unheard_alerts_are_delivered_counted_and_said_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    window = Window()
    for number in range(1, 4):
        window.sent(number, number)
        assert window.answered(number, Answer(heard=False), 20.0 * number) == number
    assert (window.delivered, window.unheard, len(caplog.records)) == (3, 3, 1)
    window.sent(4, 4)
    window.answered(4, Answer(heard=False), 90.0)
    assert len(caplog.records) == 2


@given(st.lists(st.sampled_from(["delivered", "refused", "lost"]), min_size=1, max_size=200))
def test_every_alert_is_sent_until_delivered_whatever_the_broker_answers(answers: list[str]) -> None:
    window, outbox, now, message = Window(), list(range(1, 31)), 0.0, 0
    delivered: list[int] = []
    for kind in [*answers, *["delivered"] * 400]:
        now += REFUSED_SECONDS
        window.try_again(now, outbox[0] if outbox else None)
        sending = [number for number in outbox if number > window.last][: window.free]
        assert len(sending) <= SIZE
        for number in sending:
            message += 1
            window.sent(message, number)
        if kind == "lost":
            window.begin()
            continue
        for sent in range(message - len(sending) + 1, message + 1):
            done = window.answered(sent, Answer(refused="no" if kind == "refused" else None), now)
            if done is not None:
                outbox.remove(done)
                delivered.append(done)
    assert sorted(delivered) == list(range(1, 31))
