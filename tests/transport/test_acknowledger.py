"""Acknowledgements go out in the order of arrival."""

from __future__ import annotations

import random
import threading

from ecgmon.transport.acknowledger import Acknowledger


def test_one_that_is_done_early_waits_for_those_before_it() -> None:
    sent: list[tuple[int, int]] = []
    line = Acknowledger(lambda number, qos: sent.append((number, qos)))
    first, second, third = (line.arrived(number, 1) for number in (7, 8, 9))
    second()
    assert sent == []
    first()
    assert sent == [(7, 1), (8, 1)]
    first()  # a second call does no harm
    third()
    assert sent == [(7, 1), (8, 1), (9, 1)]


def test_threads_that_finish_in_any_order_leave_the_order_and_none_behind() -> None:
    sent: list[int] = []
    line = Acknowledger(lambda number, _qos: sent.append(number))
    done = [line.arrived(number, 1) for number in range(4000)]
    chance = random.Random(1)
    chance.shuffle(done)

    def work(part: int) -> None:
        for each in done[part::4]:
            each()

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == list(range(4000))
